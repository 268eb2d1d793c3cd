"""Heads: what is trained on top of a backbone."""

from kerastl.heads.classification import OUTPUT, Head

__all__ = ["OUTPUT", "Head"]
