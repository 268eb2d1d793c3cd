"""Heads: what is trained on top of a backbone."""

from kerastl.heads.classification import Head
from kerastl.heads.features import LAST, LATE, find_features
from kerastl.heads.layers import Outputs, attach_outputs, layer_names
from kerastl.heads.own import OwnHead
from kerastl.heads.text import POOLINGS, TextHead, pool

__all__ = [
    "LAST",
    "LATE",
    "POOLINGS",
    "Head",
    "Outputs",
    "OwnHead",
    "TextHead",
    "attach_outputs",
    "find_features",
    "layer_names",
    "pool",
]
