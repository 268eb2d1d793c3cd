"""Backbones: the registry, pretrained weights, preprocessing bound to the graph."""

from kerastl.backbones.build import INPUT, BuiltBackbone, build_backbone
from kerastl.backbones.freezing import freeze, stages_of, unfreeze
from kerastl.backbones.preprocessing import describe as describe_preprocessing
from kerastl.backbones.presets import mend_saving
from kerastl.backbones.record import Backbone
from kerastl.backbones.registry import get_backbone, list_backbones, split_name
from kerastl.backbones.weights import NONE, WeightsSource, find_weights

__all__ = [
    "INPUT",
    "NONE",
    "Backbone",
    "BuiltBackbone",
    "WeightsSource",
    "build_backbone",
    "describe_preprocessing",
    "find_weights",
    "freeze",
    "get_backbone",
    "list_backbones",
    "mend_saving",
    "split_name",
    "stages_of",
    "unfreeze",
]
