"""Runs a text bundle's artifacts in a fresh process and brings their answers back."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kerastl.bundles.jobs import check_installed, run_worker
from kerastl.files import read_json, write_json

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class TextAnswers:
    """What artifacts answered.

    Attributes:
        outputs: float32 ``(n, outputs)`` by the artifact's path.
        facts: by path: the class names that the artifact holds, what it calls its output, its
            batch size, and of a SavedModel that takes strings the labels that it gave itself.
    """

    outputs: dict[str, Array]
    facts: dict[str, dict[str, Any]]


def run_text_artifacts(
    bundle: Path,
    artifacts: Sequence[tuple[str, str]],
    tokenizer: Mapping[str, Any],
    texts: Sequence[str],
    progress: Callable[[str], None] | None = None,
) -> TextAnswers:
    """Runs artifacts in their own runtimes, from strings on, all in one fresh process.

    Args:
        bundle: the folder, with its tokenizer.json.
        artifacts: format and path of each.
        tokenizer: ``tokenizer`` of the manifest.
        texts: at least one.
        progress: called with the name of each step.

    Raises:
        ExportError: an artifact cannot be loaded or run.
        MissingExtraError: a runtime is not installed.
    """
    check_installed([format for format, _ in artifacts], to_convert=False, of_texts=True)
    with tempfile.TemporaryDirectory(prefix="kerastl-run-") as temporary:
        work = Path(temporary)
        write_json(work / "texts.json", list(texts))
        job = {
            "kind": "run_text",
            "bundle": str(bundle.resolve()),
            "artifacts": [{"format": format, "path": path} for format, path in artifacts],
            "tokenizer": dict(tokenizer),
        }
        facts = run_worker(job, work, progress)
        outputs = {
            path: np.load(work / f"outputs_{index}.npy")
            for index, (_, path) in enumerate(artifacts)
        }
    return TextAnswers(outputs, {path: facts[path] for _, path in artifacts})


def run(
    job: dict[str, Any], folder: Path, step: Callable[[str], AbstractContextManager[None]]
) -> dict[str, Any]:
    """The worker's side: runs every artifact of a job and saves what it answers."""
    from kerastl.bundles.text_runtimes import SavedModelText, TextTokens, open_text_artifact

    bundle, facts = Path(job["bundle"]), {}
    texts = read_json(folder / "texts.json")
    tokens = TextTokens(bundle, job["tokenizer"])
    for index, artifact in enumerate(job["artifacts"]):
        with step(f"running {artifact['path']}"):
            runtime = open_text_artifact(artifact["format"], bundle / artifact["path"])
            fact: dict[str, Any] = {
                "class_names": runtime.class_names(),
                "output": runtime.output,
            }
            if isinstance(runtime, SavedModelText) and runtime.takes_strings:
                outputs, fact["labels"] = runtime.serve(texts)
                # By tokens too: both signatures are shipped.
                fact["signatures_differ_by"] = _difference(runtime, outputs, texts, tokens)
            else:
                outputs = runtime.predict(texts, tokens)
            np.save(folder / f"outputs_{index}.npy", outputs)
            facts[artifact["path"]] = {**fact, "batch": runtime.batch()}
    return facts


def _difference(runtime: Any, outputs: Array, texts: Sequence[str], tokens: Any) -> float:
    by_tokens = runtime.predict_tokens(texts, tokens)
    difference = float(np.abs(by_tokens - outputs).max())
    return difference if np.isfinite(difference) else float(np.finfo(np.float32).max)
