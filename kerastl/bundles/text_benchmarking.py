"""``benchmark`` of a text bundle: what its files are run on, and how their answers are scored."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np

from kerastl.bundles import text_golden
from kerastl.bundles.text_parity import EMBEDDING
from kerastl.bundles.text_verification import decisions_of
from kerastl.data import TextKind, load_texts
from kerastl.errors import DataError
from kerastl.files import write_json
from kerastl.metrics import (
    classification_metrics,
    embedding_metrics,
    multi_label_metrics,
    regression_metrics,
)

Array = np.ndarray[Any, Any]

_METRICS = {
    "single_label": "accuracy",
    "multi_label": "micro_f1",
    "regression": "r2",
    EMBEDDING: "precision_at_1",
}


class TextSubject:
    """A text bundle as ``benchmark`` sees it.

    Args:
        folder: the bundle.
        manifest: its manifest.
    """

    noun = "texts"

    def __init__(self, folder: Path, manifest: dict[str, Any]) -> None:
        self._folder = folder
        self._decisions = decisions_of(manifest)
        self.metric = _METRICS[self._decisions.kind]
        self.job = {
            "bundle": str(folder.resolve()),
            "tokenizer": dict(manifest["tokenizer"]),
        }

    def save_inputs(self, work: Path, count: int) -> None:
        """Writes as many golden texts, again from the start if there are too few."""
        texts = text_golden.read(self._folder).texts
        write_json(work / "inputs.json", [texts[i % len(texts)] for i in range(count)])

    def save_examples(self, work: Path, data: Any, **options: Any) -> Array:
        """Writes the texts of the data and returns their labels.

        Raises:
            DataError: the data cannot be read, or its classes are others.
        """
        kind, names = self._decisions.kind, self._decisions.class_names
        dataset = load_texts(
            data,
            class_names=names or None,
            kind="single_label" if kind == EMBEDDING else cast(TextKind, kind),
            **options,
        )
        if not len(dataset):
            raise DataError("There is not a single text.")
        write_json(work / "texts.json", list(dataset.sources))
        return np.asarray(dataset.labels)

    def score(self, labels: Array, outputs: Array) -> dict[str, float]:
        """The task's metrics, as ``evaluate`` names them."""
        kind, thresholds = self._decisions.kind, self._decisions.thresholds
        if kind == EMBEDDING:
            return embedding_metrics(labels, outputs)
        if kind == "regression":
            return regression_metrics(labels, outputs)
        if kind == "multi_label":
            return multi_label_metrics(labels, outputs, np.array(thresholds))
        return classification_metrics(labels, outputs)
