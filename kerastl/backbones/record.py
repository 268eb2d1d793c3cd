"""What kerastl knows of a backbone."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal

from kerastl.text import TokenizerKind

ARXIV = "https://arxiv.org/abs/"
Source = Literal["keras.applications", "keras_hub"]
Modality = Literal["image", "text"]
Preprocessing = Literal["tf", "torch", "caffe", "clip", "unit", "included"]
Pooling = Literal["average", "class_token", "none"]
TextPooling = Literal["class_token", "mean"]


@dataclasses.dataclass(frozen=True)
class Backbone:
    """A pretrained feature extractor for images, as data; ``TextBackbone`` is the one for texts.

    Attributes:
        name: the name in recipes and on the command line, as in ``"mobilenet_v2"``.
        constructor: the function in ``keras.applications``, or the class in
            ``keras_hub.models``, that builds it.
        image_size: height and width in pixels that the published weights were trained at.
        preprocessing: how pixels in 0..255 are mapped to what the weights expect. ``"tf"``:
            x / 127.5 - 1. ``"torch"``: x / 255, less the ImageNet mean, over its standard
            deviation. ``"caffe"``: BGR order, less the ImageNet mean. ``"clip"``: as
            ``"torch"``, with the figures of CLIP's own training images. ``"unit"``: x / 255.
            ``"included"``: the backbone's own graph does it.
        features: length of the feature vector that a head gets: channels of the last feature
            map, or width of the tokens.
        parameters: number of weights without the classifier, at ``image_size``.
        stage_pattern: regular expression of the names of layers; see
            ``kerastl.graph.find_stages`` for how its groups name a stage.
        fine_tune_from: the stage from which ``two_phase`` fine-tunes. Of convolutional and
            hierarchical backbones, the first that works at 1/16 of the input's resolution; of
            those whose layers are all alike, the middle one.
        late_from: a later one, where it does as well after a solved head and costs less; None
            where none was measured.
        licence: SPDX identifier of the licence of the published weights; a
            ``LicenseRef-`` where SPDX has none.
        paper: where the architecture was published.
        arguments: further arguments of the constructor.
        minimum_size: the least height and width in pixels.
        source: the package that builds it.
        modality: what goes in.
        pooling: how its output becomes one feature vector. ``"average"``: the mean over the
            positions of a feature map or the tokens of a sequence. ``"class_token"``: the first
            token, where the family's own classifier uses that. ``"none"``: the backbone itself
            ends in a vector.
        preset: KerasHub's name of the published weights; None where it has none.
        size_step: height and width must be multiples of this many pixels.
        square: height and width must be equal.
        fixed_size: pretrained weights fit at ``image_size`` only, since a position embedding
            or attention window has the size of the image.
        output: of a backbone with several outputs, the one that is used.
    """

    LISTED: ClassVar[tuple[str, ...]] = ("image_size", "preprocessing")
    """What ``kerastl backbones`` tells of it besides what all backbones have."""

    name: str
    constructor: str
    image_size: int
    preprocessing: Preprocessing
    features: int
    parameters: int
    stage_pattern: str
    fine_tune_from: str
    licence: str
    paper: str
    arguments: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    minimum_size: int = 32
    source: Source = "keras.applications"
    modality: Literal["image"] = "image"
    pooling: Pooling = "average"
    preset: str | None = None
    size_step: int = 1
    late_from: str | None = None
    square: bool = False
    fixed_size: bool = False
    output: str | None = None

    def __post_init__(self) -> None:
        _protect_arguments(self)

    @property
    def takes(self) -> str:
        """How large an example is, for tables."""
        return f"{self.image_size} pixels"


@dataclasses.dataclass(frozen=True)
class TextBackbone:
    """A pretrained text encoder of KerasHub, as data; what is not told here is as of ``Backbone``.

    Attributes:
        name: the name in recipes and on the command line, as in ``"minilm_l6"``.
        constructor: the class in ``keras_hub.models`` that builds it.
        max_length: the most tokens a text that it is for, start and end tokens included.
        features: width of the tokens that come out, and so of the vector that a head gets.
        parameters: number of weights of the encoder alone, without pooler and decoder; 0 where
            it is not known before it is built.
        vocabulary_size: rows of the token embedding.
        fine_tune_from: the stage from which ``two_phase`` fine-tunes: the first layer, so that
            the token embeddings alone stay as they are.
        tokenizer: the algorithm of its tokenizer.
        pad_id: the id that fills texts up, which the padding mask is made of.
        pooling: how the tokens become one vector. ``"class_token"``: the first one, which the
            family's own classifier uses. ``"mean"``: the mean over the tokens that are no padding.
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
    arguments: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    preset: str | None = None
    source: Literal["keras_hub"] = "keras_hub"
    modality: Literal["text"] = "text"

    def __post_init__(self) -> None:
        _protect_arguments(self)

    @property
    def takes(self) -> str:
        """How long an example is at most, for tables."""
        return f"{self.max_length} tokens"


def _protect_arguments(record: Backbone | TextBackbone) -> None:
    """Makes the arguments as unchangeable as the record itself."""
    object.__setattr__(record, "arguments", types.MappingProxyType(dict(record.arguments)))


def family(
    preprocessing: Preprocessing,
    stage_pattern: str,
    fine_tune_from: str,
    licence: str,
    paper: str,
    **common: Any,
) -> Callable[..., Backbone]:
    """Makes the records of networks that differ in little more than their size.

    The arguments are attributes of ``Backbone`` that a member has unless it says otherwise;
    ``paper`` is a number on arXiv.
    """

    def member(
        name: str,
        constructor: str,
        image_size: int,
        features: int,
        parameters: int,
        arguments: Mapping[str, Any] = types.MappingProxyType({}),
        **own: Any,
    ) -> Backbone:
        settled = {
            "preprocessing": preprocessing,
            "stage_pattern": stage_pattern,
            "fine_tune_from": fine_tune_from,
            "licence": licence,
            "paper": ARXIV + paper,
            "arguments": arguments,
            **common,
            **own,
        }
        return Backbone(
            name, constructor, image_size, features=features, parameters=parameters, **settled
        )

    return member
