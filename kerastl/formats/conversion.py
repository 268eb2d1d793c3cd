"""What a converter is given: a network, what goes in and comes out, and steps that are shared."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from kerastl.formats import FORMATS
from kerastl.formats.format import Array
from kerastl.formats.pairs import pair_of
from kerastl.inputs import Input, Spec
from kerastl.outputs import Gate, Output

Step = Callable[[str], AbstractContextManager[None]]


@dataclasses.dataclass
class Conversion:
    """One network on its way into several formats, inside the export worker.

    Attributes:
        network: a Keras model, as ``input.for_export`` made it.
        outputs: what comes out, by name, in the network's order.
        bundle: the folder that artifacts are written to.
        work: a folder for everything else.
        formats: names of those that are asked for.
        metadata: goes into every artifact that can hold it.
        sources: what the export is proved on.
        calibration: what value ranges are measured on, as the network takes it, or None.
        batch_one: LiteRT files take one example at a time.
        float_input: float32 in and out of an int8 file.
    """

    network: Any
    input: Input
    outputs: Mapping[str, Output]
    bundle: Path
    work: Path
    formats: Sequence[str]
    quantize: Mapping[str, Sequence[str]]
    metadata: Mapping[str, Any]
    gate: Gate
    sources: Sequence[Any]
    calibration: Array | None
    batch_one: bool
    float_input: bool
    step: Step

    @functools.cached_property
    def specs(self) -> tuple[Spec, ...]:
        """What artifacts take."""
        return self.input.specs()

    @functools.cached_property
    def traced(self) -> Any:
        """The network as a concrete function of TensorFlow; see ``tracing.trace``."""
        from kerastl.formats import tracing

        with self.step("tracing the network"):
            return tracing.trace(self.network, self.input, self.specs)

    @functools.cached_property
    def frozen(self) -> Any:
        """The same with its variables as constants."""
        from kerastl.formats import tracing

        traced = self.traced
        with self.step("turning weights into constants"):
            return tracing.constants_of(traced)

    @functools.cached_property
    def saved_model(self) -> tuple[Path, dict[str, Any]]:
        """A SavedModel, in the bundle where it was asked for, and what the manifest says of it."""
        from kerastl.formats import saved_model_conversion

        asked = "saved_model" in self.formats
        path = (self.bundle if asked else self.work) / "saved_model"
        traced = self.traced
        # Strings and encoded files are for those who run it.
        pair = pair_of(self.input.kind, "saved_model") if asked else None
        with self.step(FORMATS["saved_model"].step()):
            return path, saved_model_conversion.write(self, traced, path, pair)

    @functools.cached_property
    def saved_model_of_fixed_lengths(self) -> Path:
        """A SavedModel whose sequences have one length, where the input has sequences."""
        from kerastl.formats import saved_model_conversion, tracing

        specs = self.input.specs(fixed_lengths=True)
        if specs == self.specs:
            return self.saved_model[0]
        path = self.work / "saved_model_of_fixed_lengths"
        traced = tracing.trace(self.network, self.input, specs)
        saved_model_conversion.write(self, traced, path, None, specs=specs)
        return path

    def tensors(self, graph: Any) -> tuple[dict[str, str], dict[str, str]]:
        """Names of a frozen graph's inputs and outputs: tensor name to the artifact's name."""
        inputs = {f"{spec.name}:0": spec.name for spec in self.specs}
        outputs = {
            tensor.name: name for tensor, name in zip(graph.outputs, self.outputs, strict=True)
        }
        return inputs, outputs
