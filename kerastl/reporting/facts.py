"""What is known of a run or a bundle without any data."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kerastl.bundles.manifest import read_manifest, task_of
from kerastl.errors import ConfigurationError, KerastlError
from kerastl.evaluation import Evaluation
from kerastl.files import read_json
from kerastl.inputs import Input
from kerastl.model import TrainedModel
from kerastl.task import Task

_ORIGIN = ("backbone", "licence", "weights", "weights_sha256", "data_fingerprint")
_PHASE = ("name", "train_from", "boundary", "epochs", "seconds", "best_epoch", "learning_rate")
_FILE = ("path", "format", "quantization", "bytes")
_PARITY = ("max_abs_diff", "label_agreement", "n")


@dataclasses.dataclass(frozen=True)
class Facts:
    """What is known of a run or a bundle.

    Attributes:
        kind: ``"run"`` or ``"bundle"``.
        name: of its folder; empty of a model that was not saved.
        task: what goes in and what comes out.
        origin: backbone, licence, hashes, seed, versions, recipe.
        phases: of training, with their histories where a run keeps them.
        counts: examples of each class, by part of the data and output.
        metrics: on the validation examples.
        evaluation: of the validation examples, where a run keeps it.
        files: of bundles, with size and parity.
        estimate: how a model was measured that was trained on all of its data, as a sentence;
            None where validation data were held back.
    """

    kind: str
    name: str
    task: Task
    origin: Mapping[str, Any]
    phases: Sequence[Mapping[str, Any]]
    counts: Mapping[str, Any]
    metrics: Mapping[str, float]
    evaluation: Evaluation | None
    files: Sequence[Mapping[str, Any]]
    estimate: str | None = None

    @property
    def input(self) -> Input:
        """What an example is."""
        return self.task.input


def facts_of_run(model: TrainedModel, folder: Path | None, bundles: Sequence[Path]) -> Facts:
    """Facts of a trained model, with the files of its bundles."""
    details = model.details()
    inside = [] if folder is None else sorted(p.parent for p in folder.glob("*/manifest.json"))
    found = [*bundles, *(path for path in inside if path not in bundles)]
    paper = model.provenance.get("backbone", {}).get("paper")
    return Facts(
        "run",
        "" if folder is None else folder.absolute().name,
        model.task,
        {**_origin(details), "paper": paper},
        [_phase(record) for record in model.history],
        model.provenance.get("class_counts", {}),
        model.metrics,
        model.evidence.evaluation,
        [row for bundle in found for row in _files(bundle, read_manifest(bundle))],
        _estimate(details),
    )


def facts_of_bundle(folder: Path, manifest: Mapping[str, Any]) -> Facts:
    """Facts out of a bundle's manifest."""
    return Facts(
        "bundle",
        folder.absolute().name,
        task_of(manifest, folder),
        _origin(manifest),
        [_phase(record) for record in (manifest.get("training") or {}).get("phases", ())],
        {},
        manifest["metrics"],
        None,
        _files(folder, manifest),
        _estimate(manifest),
    )


def benchmark_of(path: Path) -> dict[str, Mapping[str, Any]]:
    """Latency and memory by the files' paths, out of what ``kerastl benchmark --json`` printed."""
    try:
        rows = read_json(path)["artifacts"]
        return {
            row["path"]: {
                "ms_of_one": row["latency"]["1"]["median_ms"],
                "ms_of_32": row["latency"]["32"]["median_ms"],
                "peak_memory_bytes": row["peak_memory_bytes"],
            }
            for row in rows
        }
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, KeyError, TypeError) as error:
        raise ConfigurationError(
            f"--benchmark {path} is not what `kerastl benchmark BUNDLE --json` prints: {error!r}."
        ) from error


def _estimate(details: Mapping[str, Any]) -> str | None:
    found = (details.get("training") or {}).get("estimate")
    return None if found is None else str(found["sentence"])


def _origin(details: Mapping[str, Any]) -> dict[str, Any]:
    training = details.get("training") or {}
    return {
        **{key: details.get(key) for key in _ORIGIN},
        "seed": training.get("seed"),
        "versions": dict(details.get("versions") or {}),
        "recipe": dict(training.get("recipe") or {}),
    }


def _phase(record: Mapping[str, Any]) -> dict[str, Any]:
    score = record.get("score", "accuracy")
    return {
        **{key: record.get(key) for key in _PHASE},
        "score": score,
        "value": record.get(score),
        "history": {key: list(values) for key, values in record.get("history", {}).items()},
    }


def _files(folder: Path, manifest: Mapping[str, Any]) -> list[dict[str, Any]]:
    name = folder.absolute().name
    try:
        return [
            {
                "bundle": name,
                **{key: entry[key] for key in _FILE},
                **{key: entry["parity"].get(key, entry.get(key)) for key in _PARITY},
                "accuracy": entry.get("accuracy"),
            }
            for entry in manifest["artifacts"]
        ]
    except KeyError as error:
        raise KerastlError(f"The manifest of {folder} lacks {error}.") from error
