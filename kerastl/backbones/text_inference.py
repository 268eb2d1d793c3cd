"""Which backbone a user means: a name, or a directory whose settings say what it is."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from kerastl.backbones.record import TextBackbone, TextPooling
from kerastl.backbones.registry import get_backbone, split_name
from kerastl.backbones.text_families import FAMILIES, Family, family_record
from kerastl.backbones.text_hub import TEXT
from kerastl.backbones.weights import PACKAGE_PREFIX, PUBLISHED, WeightsSource, find_weights
from kerastl.errors import WeightsError
from kerastl.text import from_preset_dir

_SETTINGS = "config.json"
_HUB_NAMES = (
    "vocabulary_size", "vocab_size", "num_layers", "num_heads", "hidden_dim", "intermediate_dim",
    "max_sequence_length", "num_segments", "embedding_dim", "num_groups", "num_inner_repetitions",
    "bucket_size", "key_value_dim", "use_gated_activation", "activation",
    "tie_embedding_weights", "dropout", "layer_norm_epsilon",
)  # fmt: skip


def resolve_text_backbone(
    backbone: str | os.PathLike[str], weights: str | os.PathLike[str] | None = PUBLISHED
) -> tuple[TextBackbone, WeightsSource]:
    """Finds the record and the weights that a user means.

    Args:
        backbone: a name of ``list_backbones("text")``, or ``NAME@WEIGHTS``; or a local KerasHub
            or Hugging Face directory, or ``"pkg:DISTRIBUTION/PATH"`` of one, whose
            ``config.json`` says what it is.
        weights: which weights, for a name; see ``build_text_backbone``. None and ``"none"`` are
            random ones, for a directory too.

    Raises:
        ConfigurationError: there is no backbone of that name, or it is one for images.
        WeightsError: the weights or the directory are not there, or of no known architecture.
    """
    text = os.fspath(backbone)
    if text.startswith(PACKAGE_PREFIX) or Path(text).expanduser().is_dir():
        source = find_weights(text)
        record = infer_text_backbone(source)
        return record, source if weights == PUBLISHED else find_weights(weights)
    name, own = split_name(text)
    return get_backbone(name, "text"), find_weights(weights if own is None else own)


def infer_text_backbone(source: WeightsSource) -> TextBackbone:
    """The record of what a directory holds: a named one of the same architecture, or a new one.

    Raises WeightsError where the architecture is not known.
    """
    if source.path is None or not source.path.is_dir():
        raise WeightsError(f"{source.path or source.name!r} is no directory of weights.")
    settings = _read(source.path / _SETTINGS)
    family, arguments = _architecture(source.path, settings)
    tokenizer = from_preset_dir(source.path)
    positions = int(arguments.get("max_sequence_length", 512))
    pooling = _pooling(source.path)
    length = min(tokenizer.max_length or positions, positions)
    for record in TEXT:
        same = record.constructor == family.constructor and all(
            arguments.get(key, value) == value for key, value in record.arguments.items()
        )
        if same and record.max_length == length and record.pooling == (pooling or family.pooling):
            return record
    return family_record(
        family,
        source.path.name,
        arguments,
        max_length=length,
        pooling=pooling,
        pad_id=tokenizer.pad_id,
    )


def _architecture(folder: Path, settings: Mapping[str, Any]) -> tuple[Family, dict[str, Any]]:
    if "class_name" in settings:
        family = FAMILIES.get(str(settings["class_name"]))
        config = settings.get("config", {})
        if family is not None:
            return family, {key: config[key] for key in _HUB_NAMES if key in config}
    for family in FAMILIES.values():
        if settings.get("model_type") == family.model_type and family.model_type in _CONVERTED:
            return family, _CONVERTED[family.model_type](settings)
    named = settings.get("class_name") or settings.get("model_type") or "without a name"
    raise WeightsError(
        f"{folder / _SETTINGS} is of the architecture {named!r}, which is not known here. KerasHub "
        f"presets can be of: {', '.join(FAMILIES)}; Hugging Face directories of: "
        f"{', '.join(_CONVERTED)}."
    )


def _bert(c: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "vocabulary_size": c["vocab_size"],
        "num_layers": c["num_hidden_layers"],
        "num_heads": c["num_attention_heads"],
        "hidden_dim": c["hidden_size"],
        "intermediate_dim": c["intermediate_size"],
        "max_sequence_length": c["max_position_embeddings"],
        "num_segments": c.get("type_vocab_size", 2),
    }


def _distilbert(c: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "vocabulary_size": c["vocab_size"],
        "num_layers": c["n_layers"],
        "num_heads": c["n_heads"],
        "hidden_dim": c["dim"],
        "intermediate_dim": c["hidden_dim"],
        "max_sequence_length": c["max_position_embeddings"],
    }


def _roberta(c: Mapping[str, Any]) -> dict[str, Any]:
    arguments = _bert(c)
    del arguments["num_segments"]
    # The first two positions belong to padding, and KerasHub leaves them out.
    arguments["max_sequence_length"] -= 2
    return arguments


def _albert(c: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **_bert(c),
        "embedding_dim": c["embedding_size"],
        "num_groups": c.get("num_hidden_groups", 1),
        "num_inner_repetitions": c.get("inner_group_num", 1),
    }


# The architectures of Hugging Face that KerasHub converts.
_CONVERTED: Mapping[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "bert": _bert,
    "distilbert": _distilbert,
    "roberta": _roberta,
    "xlm-roberta": _roberta,
    "albert": _albert,
}


def _pooling(folder: Path) -> TextPooling | None:
    """How a sentence transformer pools, where the directory says."""
    path = folder / "1_Pooling" / _SETTINGS
    if not path.is_file():
        return None
    said = _read(path)
    if said.get("pooling_mode_cls_token"):
        return "class_token"
    return "mean" if said.get("pooling_mode_mean_tokens") else None


def _read(path: Path) -> Mapping[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WeightsError(f"{path} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise WeightsError(f"{path} holds no settings: {type(content).__name__}.")
    return content
