"""The manifest of a text bundle, and the files that go with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerastl.bundles import card, manifest
from kerastl.bundles.assembly import sealed
from kerastl.bundles.bundle import Artifact, Gate
from kerastl.bundles.text_parity import EMBEDDING, SPREAD, Decisions, output_name
from kerastl.bundles.text_vectors import (
    LEAST_COSINE,
    LEAST_QUANTIZED_COSINE,
    least_cosine,
)
from kerastl.provenance import versions
from kerastl.text import TOKENIZER_FILE

if TYPE_CHECKING:
    from kerastl.model import TokenModel

Array = np.ndarray[Any, Any]

TASKS = (manifest.TEXT_CLASSIFICATION, manifest.TEXT_EMBEDDING)
"""The tasks of bundles of texts."""

PREPROCESSING = (
    "outside of the graph, by tokenizer.json; a SavedModel whose signatures include "
    "serving_default takes strings"
)
INPUT: Mapping[str, Any] = {
    "name": "text",
    "encoding": "UTF-8; a lone surrogate is refused",
    "token_ids": {"dtype": "int32", "shape": [None, None]},
    "padding_mask": {
        "dtype": "int32",
        "shape": [None, None],
        "meaning": "1 where token_ids is not pad_id, else 0",
    },
}
_OUTPUTS = {
    "single_label": "probabilities",
    "multi_label": "probability of each class by itself",
    "regression": "numbers",
    "embedding": "vectors of length 1",
}


def task_of(kind: str) -> str:
    """``task`` of the manifest."""
    return manifest.TEXT_EMBEDDING if kind == EMBEDDING else manifest.TEXT_CLASSIFICATION


def tokenizer_entry(model: TokenModel) -> dict[str, Any]:
    """``tokenizer`` of the manifest; ``max_length`` is the length at which texts are cut."""
    return {**model.tokenizer.settings, "max_length": model.max_length}


def write(
    folder: Path,
    *,
    model: TokenModel,
    tokenizer: Mapping[str, Any],
    decisions: Decisions,
    artifacts: Sequence[Artifact],
    gate: Gate,
    examples: str,
    reference: Array,
    labels: Array | None,
    facts: Mapping[str, Mapping[str, Any]],
    details: Mapping[str, Any],
    reduced: str | None,
) -> dict[str, Any]:
    """Writes labels.txt, card and manifest of a text bundle.

    Args:
        folder: the bundle, with its artifacts, tokenizer and golden/.
        model: what was exported.
        tokenizer: of :func:`tokenizer_entry`, with what was proved of it.
        decisions: what the outputs mean.
        artifacts: what was converted and measured.
        gate: the thresholds that were applied.
        examples: ``"validation"`` or ``"built-in"``.
        reference: the network's outputs for the examples, ``(n, outputs)``.
        labels: true labels of the examples.
        facts: by path, what else the manifest says of an artifact.
        details: of ``TrainedModel.details``.
        reduced: the policy of a mixed-precision network.

    Returns:
        The manifest.
    """
    names = list(decisions.class_names)
    lines = "".join(f"{name}\n" for name in names)
    (folder / "labels.txt").write_text(lines, encoding="utf-8")
    entries = [
        manifest.artifact_entry(artifact, gate, examples, facts[artifact.path])
        for artifact in artifacts
    ]
    if decisions.kind == "regression":
        for entry, artifact in zip(entries, artifacts, strict=True):
            allowed = decisions.allowed_difference(reference, gate, artifact.quantization)
            entry["parity"]["threshold"]["max_abs_diff_of_a_number"] = allowed
    if decisions.kind == EMBEDDING:
        for entry, artifact in zip(entries, artifacts, strict=True):
            entry["parity"]["threshold"]["cosine"] = least_cosine(artifact.quantization)
            entry["parity"]["least_cosine"] = entry.pop("least_cosine")
    content: dict[str, Any] = {
        "schema_version": manifest.SCHEMA_VERSION,
        "task": task_of(decisions.kind),
        "kind": decisions.kind,
        "class_names": names,
        "thresholds": None if decisions.thresholds is None else list(decisions.thresholds),
        "input": dict(INPUT),
        "preprocessing": {"in_graph": False, "description": PREPROCESSING},
        "tokenizer": dict(tokenizer),
        "outputs": [
            {
                "name": output_name(decisions.kind),
                "dtype": "float32",
                "shape": [None, reference.shape[1]],
                "kind": _OUTPUTS[decisions.kind],
            }
        ],
        "gate": vars(gate),
        "agreement_of": _agreement(decisions.kind),
        "artifacts": entries,
        "parity_examples": {
            "kind": examples,
            "n": len(reference),
            "network_accuracy": decisions.accuracy(labels, reference),
        },
        **manifest.provenance_entries(details),
        "reduced_precision": reduced,
        "versions": {
            **versions(),
            **{f"training:{k}": v for k, v in dict(details.get("versions") or {}).items()},
        },
    }
    (folder / "README.md").write_text(card.render(content), encoding="utf-8")
    return sealed(folder, content, ["labels.txt", TOKENIZER_FILE])


def _agreement(kind: str) -> str:
    return {
        "single_label": "labels",
        "multi_label": "single decisions, one for each text and class, at the thresholds",
        "regression": (
            "numbers within max_abs_diff times the spread, if that is over 1; quantised, within "
            f"{SPREAD:.0%} of the spread"
        ),
        "embedding": (
            f"vectors of a cosine of at least {LEAST_COSINE} with the network's, quantised "
            f"{LEAST_QUANTIZED_COSINE}, that are no nearer to the network's vector of another text"
        ),
    }[kind]
