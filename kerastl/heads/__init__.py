"""Heads: what is trained on top of a backbone."""

from kerastl.heads.classification import OUTPUT, Head
from kerastl.heads.text import TextHead, pool

__all__ = ["OUTPUT", "Head", "TextHead", "pool"]
