"""What kerastl knows of one backbone for text."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from kerastl.text import TokenizerKind

TextPooling = Literal["class_token", "mean"]


@dataclasses.dataclass(frozen=True)
class TextBackbone:
    """A pretrained text encoder of KerasHub, as data.

    Attributes:
        name: the name in recipes and on the command line, as in ``"minilm_l6"``.
        constructor: the class in ``keras_hub.models`` that builds it.
        max_length: the most tokens a text that it is for, start and end tokens included.
        features: width of the tokens that come out, and so of the vector that a head gets.
        parameters: number of weights of the encoder alone, without pooler and decoder; 0 where
            it is not known before it is built.
        vocabulary_size: rows of the token embedding.
        stage_pattern: regular expression of the names of layers; see
            ``kerastl.graph.find_stages``.
        fine_tune_from: the stage from which ``two_phase`` fine-tunes: the first layer, so that
            the token embeddings alone stay as they are.
        tokenizer: the algorithm of its tokenizer.
        pad_id: the id that fills texts up, which the padding mask is made of.
        pooling: how the tokens become one vector. ``"class_token"``: the first one, which the
            family's own classifier uses. ``"mean"``: the mean over the tokens that are no padding.
        licence: SPDX identifier of the licence of the published weights.
        paper: where the architecture was published.
        arguments: further arguments of the constructor.
        preset: KerasHub's name of the published weights; None where it has none.
        source: the package that builds it.
        modality: what goes in.
    """

    LISTED: ClassVar[tuple[str, ...]] = ("max_length", "vocabulary_size", "tokenizer", "pooling")
    """What ``kerastl backbones`` tells of it besides what all backbones have."""

    name: str
    constructor: str
    max_length: int
    features: int
    parameters: int
    vocabulary_size: int
    stage_pattern: str
    fine_tune_from: str
    tokenizer: TokenizerKind
    pad_id: int
    pooling: TextPooling
    licence: str
    paper: str
    arguments: Mapping[str, Any] = dataclasses.field(
        default_factory=lambda: types.MappingProxyType({})
    )
    preset: str | None = None
    source: Literal["keras_hub"] = "keras_hub"
    modality: Literal["text"] = "text"

    @property
    def takes(self) -> str:
        """How long an example is at most, for tables."""
        return f"{self.max_length} tokens"
