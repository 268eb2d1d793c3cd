"""Backbones: the registry, pretrained weights, preprocessing bound to the graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kerastl.lazy import lazy_names

if TYPE_CHECKING:
    from kerastl.backbones.build import INPUT, BuiltBackbone, build_backbone
    from kerastl.backbones.freezing import freeze, stages_of, unfreeze
    from kerastl.backbones.preprocessing import apply_preprocessing
    from kerastl.backbones.preprocessing import describe as describe_preprocessing
    from kerastl.backbones.presets import mend_saving
    from kerastl.backbones.record import Backbone, TextBackbone, TextPooling
    from kerastl.backbones.registry import get_backbone, list_backbones, split_name
    from kerastl.backbones.text_build import (
        TOKEN_IDS,
        BuiltTextBackbone,
        build_text_backbone,
        describe_tokenizer,
    )
    from kerastl.backbones.text_inference import infer_text_backbone, resolve_text_backbone
    from kerastl.backbones.text_layers import MASK_LAYER, FixedLength, PaddingMask, SegmentIds
    from kerastl.backbones.weights import NONE, PUBLISHED, WeightsSource, find_weights

_HOMES = {
    "kerastl.backbones.build": "INPUT BuiltBackbone build_backbone",
    "kerastl.backbones.freezing": "freeze stages_of unfreeze",
    "kerastl.backbones.preprocessing": "apply_preprocessing describe_preprocessing=describe",
    "kerastl.backbones.presets": "mend_saving",
    "kerastl.backbones.record": "Backbone TextBackbone TextPooling",
    "kerastl.backbones.registry": "get_backbone list_backbones split_name",
    "kerastl.backbones.text_build": (
        "TOKEN_IDS BuiltTextBackbone build_text_backbone describe_tokenizer"
    ),
    "kerastl.backbones.text_inference": "infer_text_backbone resolve_text_backbone",
    "kerastl.backbones.text_layers": "MASK_LAYER FixedLength PaddingMask SegmentIds",
    "kerastl.backbones.weights": "NONE PUBLISHED WeightsSource find_weights",
}

__all__ = [
    "INPUT",
    "MASK_LAYER",
    "NONE",
    "PUBLISHED",
    "TOKEN_IDS",
    "Backbone",
    "BuiltBackbone",
    "BuiltTextBackbone",
    "FixedLength",
    "PaddingMask",
    "SegmentIds",
    "TextBackbone",
    "TextPooling",
    "WeightsSource",
    "apply_preprocessing",
    "build_backbone",
    "build_text_backbone",
    "describe_preprocessing",
    "describe_tokenizer",
    "find_weights",
    "freeze",
    "get_backbone",
    "infer_text_backbone",
    "list_backbones",
    "mend_saving",
    "resolve_text_backbone",
    "split_name",
    "stages_of",
    "unfreeze",
]

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
