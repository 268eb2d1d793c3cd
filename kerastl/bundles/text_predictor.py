"""Answers texts with a bundle's artifact, without the network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from kerastl.bundles.text_parity import Decisions
from kerastl.bundles.text_runtimes import TextRuntime, TextTokens

Array = np.ndarray[Any, Any]


class TextPredictor:
    """An artifact of a text bundle, ready to predict.

    Attributes:
        class_names: one name per output; empty for a regression and an embedding.
        kind: ``"single_label"``, ``"multi_label"``, ``"regression"`` or ``"embedding"``.
        format: the artifact's format.
        path: the artifact's path inside the bundle.
    """

    def __init__(
        self,
        runtime: TextRuntime,
        tokens: TextTokens,
        decisions: Decisions,
        format: str,
        path: str,
    ) -> None:
        self.class_names = decisions.class_names
        self.kind = decisions.kind
        self.format = format
        self.path = path
        self._runtime = runtime
        self._tokens = tokens
        self._decisions = decisions

    def predict(self, texts: str | Sequence[str]) -> Array:
        """Outputs of texts, float32 ``(n, outputs)``; of an embedding vectors of length 1.

        Args:
            texts: a string, or a list of strings.

        Raises:
            TextError: one of them is no text.
        """
        given = [texts] if isinstance(texts, str) else list(texts)
        if not given:
            return np.zeros((0, self._decisions.outputs), dtype=np.float32)
        return self._runtime.predict(given, self._tokens)

    def labels(self, outputs: Array) -> list[Any]:
        """What outputs mean; see ``Decisions.labels``."""
        return self._decisions.labels(outputs)

    def answers(self, outputs: Array) -> list[dict[str, Any]]:
        """What ``kerastl predict`` prints of outputs; see ``Decisions.answers``."""
        return self._decisions.answers(outputs)
