"""Building a text encoder: token ids in, one vector a token out, everything else in its graph."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerastl.backbones.presets import from_preset, hub_class
from kerastl.backbones.record import TextBackbone
from kerastl.backbones.run_weights import check_run, fill_from_run
from kerastl.backbones.text_families import FAMILIES
from kerastl.backbones.text_layers import (
    MASK_LAYER,
    SEGMENTS_LAYER,
    FixedLength,
    FourierEncoder,
    PaddingMask,
    RelativePositions,
    SegmentIds,
)
from kerastl.backbones.weights import (
    IMAGENET,
    NONE,
    PRESET,
    RUN,
    WeightsSource,
    arrays_sha256,
    find_weights,
    first_line,
    load_weights,
)
from kerastl.errors import ConfigurationError, WeightsError
from kerastl.graph import nodes_of
from kerastl.optional import require
from kerastl.text import TOKENIZER_FILE, Tokenizer, from_hub, from_preset_dir

TOKEN_IDS = "token_ids"

_TOKEN_INPUTS = ("token_ids", "encoder_token_ids")
_MASK_INPUTS = ("padding_mask", "encoder_padding_mask")
_SEGMENT_INPUTS = ("segment_ids",)
_OUTPUTS = ("sequence_output", "encoder_sequence_output")
_RELATIVE = "RelativeEmbedding"
_FOURIER = "FNetEncoder"
FIXED_LENGTH = "fixed_length"
_OTHER_WAYS = (
    "Other ways to give weights of a text encoder: 'published' for KerasHub's own download, a "
    "local KerasHub or Hugging Face directory, pkg:DISTRIBUTION/PATH for such a directory inside "
    "an installed Python distribution, a KerasHub preset, a .weights.h5 file, or None (command "
    "line: none) for random weights."
)


@dataclasses.dataclass(frozen=True)
class BuiltTextBackbone:
    """A text encoder with its weights and its tokenizer.

    Attributes:
        model: flat Functional model from ``"token_ids"`` (n, length), int32, to one vector a
            token (n, length, features). The padding mask, ``token_ids != tokenizer.pad_id``, is
            the output of its layer ``"padding_mask"`` (n, length), int32.
        weights_sha256: of the weights file or directory, or of the arrays where they were
            downloaded; None for random weights.
        tokenizer: gives the ids that the model takes.
        record: the backbone, with the number of its weights.
    """

    model: keras.Model
    weights_sha256: str | None
    tokenizer: Tokenizer
    record: TextBackbone

    @property
    def fixed_length(self) -> int | None:
        """How many tokens the model fills texts up to; None: it takes them as they come."""
        found = [layer for layer in self.model.layers if layer.name == FIXED_LENGTH]
        return int(found[0].length) if found else None


def build_text_backbone(
    record: TextBackbone,
    source: WeightsSource | str | os.PathLike[str] | None,
    *,
    tokenizer: Tokenizer | str | os.PathLike[str] | None = None,
    length: int | None = None,
    max_length: int | None = None,
) -> BuiltTextBackbone:
    """Builds a text encoder.

    Args:
        record: which one.
        source: which weights (see ``find_weights``).
        tokenizer: a tokenizer, a ``tokenizer.json``, or a directory that holds one. Random
            weights and weights files need it; directories and presets bring their own.
        length: tokens per text, where the model is for one length; any length without it.
        max_length: maximum tokens per text. An encoder without a mask (FNet) fills all texts up
            to it, since what it gives depends on how many tokens there are.

    Raises:
        WeightsError: the weights cannot be reached, or are of another architecture.
        ConfigurationError: there is no tokenizer, or it does not fit the weights.
        MissingExtraError: KerasHub, or what it needs to convert, is not installed.
    """
    hub = require("keras_hub", extra="text", purpose=f"The text backbone {record.name}")
    found = source if isinstance(source, WeightsSource) else find_weights(source)
    if found.origin == RUN:
        check_run(found, record.name)
        built = build_text_backbone(
            record,
            WeightsSource(NONE),
            tokenizer=tokenizer or Path(str(found.path)) / TOKENIZER_FILE,
            length=length,
            max_length=max_length,
        )
        sha256 = fill_from_run(built.model, found, describe_tokenizer(built.tokenizer))
        return dataclasses.replace(built, weights_sha256=sha256)
    name = record.preset if found.origin == IMAGENET else found.name
    if found.origin in (IMAGENET, PRESET) and name is None:
        raise WeightsError(f"KerasHub publishes no weights of {record.name}. {_OTHER_WAYS}")
    backbone, sha256 = _load(hub, record, found, name)
    chosen = _find_tokenizer(hub, record, found, name, tokenizer)
    if chosen.vocabulary_size > record.vocabulary_size:
        raise ConfigurationError(
            f"The tokenizer has {chosen.vocabulary_size} tokens and {record.name} embeds "
            f"{record.vocabulary_size}: they do not belong together."
        )
    longest = record.arguments.get("max_sequence_length")
    if length is not None and longest is not None and not 0 < length <= longest:
        raise ConfigurationError(
            f"length={length}: {record.name} has positions for 1 to {longest} tokens."
        )
    masked = FAMILIES[record.constructor].takes_mask
    model = flatten(
        backbone,
        pad_id=chosen.pad_id,
        length=length,
        fill_up_to=None if masked or max_length is None else min(max_length, record.max_length),
    )
    known = dataclasses.replace(record, parameters=model.count_params(), pad_id=chosen.pad_id)
    return BuiltTextBackbone(model, sha256, chosen.with_max_length(record.max_length), known)


def describe_tokenizer(tokenizer: Tokenizer) -> str:
    """What provenance says of the way from texts to token ids."""
    return f"tokenizer {tokenizer.sha256[:16]}"


def flatten(
    backbone: Any, *, pad_id: int, length: int | None = None, fill_up_to: int | None = None
) -> keras.Model:
    """An encoder of KerasHub as a flat model of token ids alone.

    Pooler and decoder are left out. Every layer of the encoder is a layer of the model, so that
    it can be cut between them; what passes there is the hidden state, the padding mask and, of
    T5, the position bias. Layers and weights are shared with ``backbone``, but for two kinds.
    DeBERTa's relative positions are called anew for each layer, so that no cut has to carry them;
    FNet's layers become ones that can be exported.

    The padding mask is made of ``pad_id``. Texts have ``length`` tokens, any number without it, and
    are filled up to ``fill_up_to`` tokens; None takes them as they come.
    """
    output = backbone.output
    if isinstance(output, dict):
        output = next(output[name] for name in _OUTPUTS if name in output)
    given = keras.Input((length,), dtype="int32", name=TOKEN_IDS)
    token_ids = given
    if fill_up_to is not None:
        token_ids = FixedLength(fill_up_to, pad_id, name=FIXED_LENGTH)(given)
    known: dict[int, Any] = {}
    for name, tensor in backbone.input.items():
        if name in _TOKEN_INPUTS:
            known[id(tensor)] = token_ids
        elif name in _MASK_INPUTS:
            known[id(tensor)] = PaddingMask(pad_id, name=MASK_LAYER)(token_ids)
        elif name in _SEGMENT_INPUTS:
            known[id(tensor)] = SegmentIds(name=SEGMENTS_LAYER)(token_ids)
    inputs = [tensor for tensor in backbone.inputs if id(tensor) in known]
    positions: dict[int, RelativePositions] = {}
    for node in nodes_of(keras.Model(inputs, output)):
        if not node.input_tensors:
            continue
        if type(node.operation).__name__ == _RELATIVE:
            positions[id(node.outputs[0])] = _relative_positions(node.operation)
            continue
        first = known[id(node.input_tensors[0])]
        for tensor in node.input_tensors:
            if id(tensor) in positions:
                known[id(tensor)] = positions[id(tensor)](first)
        operation = node.operation
        if type(operation).__name__ == _FOURIER:
            operation = _fourier_encoder(operation, first.shape)
        arguments, keywords = node.arguments.fill_in(known)
        made = keras.tree.flatten(operation(*arguments, **keywords))
        known |= {id(old): new for old, new in zip(node.outputs, made, strict=True)}
    return keras.Model(given, known[id(output)], name=backbone.name)


def _relative_positions(layer: Any) -> RelativePositions:
    rows, width = layer.rel_embeddings.shape
    own = RelativePositions(
        rows, width, layer.layer_norm_epsilon, name=layer.name, dtype=layer.dtype_policy
    )
    own.build(None)
    if not layer.layer_norm.built:
        layer.layer_norm.build((None, rows, width))
    own.embeddings.assign(layer.rel_embeddings)
    own.normalization.gamma.assign(layer.layer_norm.gamma)
    own.normalization.beta.assign(layer.layer_norm.beta)
    return own


def _fourier_encoder(layer: Any, shape: Any) -> FourierEncoder:
    own = FourierEncoder(
        layer.intermediate_dim,
        layer.activation,
        layer.dropout,
        layer.layer_norm_epsilon,
        name=layer.name,
        dtype=layer.dtype_policy,
    )
    own.build(shape)
    for name in FourierEncoder.PARTS:
        theirs = getattr(layer, f"_{name}").variables
        for variable, value in zip(getattr(own, name).variables, theirs, strict=True):
            variable.assign(value)
    return own


def _load(
    hub: Any, record: TextBackbone, source: WeightsSource, name: str | None
) -> tuple[Any, str | None]:
    made = hub_class(hub, record, "text")
    if source.origin not in (IMAGENET, PRESET):
        backbone = made(**record.arguments)
        if source.origin == NONE:
            return backbone, None
        return backbone, load_weights(backbone, source, backbone=record.name)
    loaded = from_preset(hub, record, str(name), _OTHER_WAYS)
    bad = [w.path for w in loaded.weights if not np.isfinite(np.asarray(w)).all()]
    if bad:
        raise WeightsError(f"The weights {name!r} hold NaN or infinity, first in {bad[0]}.")
    return loaded, source.sha256 or arrays_sha256(loaded)


def _find_tokenizer(
    hub: Any,
    record: TextBackbone,
    source: WeightsSource,
    name: str | None,
    given: Tokenizer | str | os.PathLike[str] | None,
) -> Tokenizer:
    if isinstance(given, Tokenizer):
        return given
    if given is not None:
        path = Path(given).expanduser()
        return from_preset_dir(path) if path.is_dir() else Tokenizer.from_file(path)
    if source.path is not None and source.path.is_dir():
        return from_preset_dir(source.path)
    if name is not None:
        own = getattr(hub.models, FAMILIES[record.constructor].tokenizer_class)
        try:
            return from_hub(own.from_preset(name))
        except Exception as error:
            raise WeightsError(
                f"KerasHub could not load the tokenizer of {name!r}: {first_line(error)}"
            ) from error
    raise ConfigurationError(
        f"{record.name} has no tokenizer: random weights and weights files bring none. Give "
        f"tokenizer=, a {TOKENIZER_FILE} or a directory of weights that holds one."
    )
