"""How much the examples tell of a quantised artifact."""

from __future__ import annotations

import warnings
from collections.abc import Iterable

from kerastl.bundles.bundle import Artifact
from kerastl.metrics import wilson_interval
from kerastl.outputs import Gate

# A loss of this much, beyond what the gate allows, is to be ruled out by the examples.
UNSEEN_LOSS = 0.1


class FewExamplesWarning(UserWarning):
    """The examples are too few, or too much alike, to tell what a quantised artifact is worth."""


def warn_of_few(artifacts: Iterable[Artifact], gate: Gate, what: str, labels: int | None) -> None:
    """Warns where label agreement on the examples says little about artifacts that passed the gate.

    ``what`` are the examples, such as ``"validation images"``, and ``labels`` is how many labels
    the network gives them, None where it gives none.
    """
    for artifact in artifacts:
        if artifact.quantization is None:
            continue
        agreed = round(artifact.label_agreement * artifact.n)
        low, _ = wilson_interval(agreed, artifact.n)
        if labels == 1:
            reason = f"the network gives all {artifact.n} {what} the same label"
        elif low < gate.quantized_label_agreement - UNSEEN_LOSS:
            reason = (
                f"{agreed} of {artifact.n} {what} only show that it gives at least {low:.0%} of "
                "others the network's label (95 % Wilson interval), and not "
                f"{gate.quantized_label_agreement:.0%}"
            )
        else:
            continue
        warnings.warn(
            f"{artifact.path} passed the gate, but that says little: {reason}. Prove it on more "
            "examples.",
            FewExamplesWarning,
            stacklevel=4,
        )
