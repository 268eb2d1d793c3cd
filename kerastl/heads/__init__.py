"""Heads: what is trained on top of a backbone."""

from kerastl.heads.classification import OUTPUT, Head
from kerastl.heads.embedding import EMBEDDING, attach_embedding
from kerastl.heads.text import POOLINGS, TextHead, pool

__all__ = ["EMBEDDING", "OUTPUT", "POOLINGS", "Head", "TextHead", "attach_embedding", "pool"]
