"""Writes programs of torch.export, from the network under Keras's torch backend.

Runs in an export worker of its own, under torch.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from typing import Any

from kerastl.formats import TORCH
from kerastl.formats.conversion import Conversion
from kerastl.inputs import Spec


def convert(conversion: Conversion) -> dict[str, dict[str, Any]]:
    """Writes a ``.pt2`` file that takes tensors by name and answers with a dict.

    Raises RuntimeError where torch.export cannot trace the network for batches of any size.
    """
    import torch

    path = conversion.bundle / TORCH.path()
    with conversion.step(TORCH.step()):
        program = _program(conversion)
        extra = {
            key: value if isinstance(value, str) else json.dumps(value)
            for key, value in conversion.metadata.items()
        }
        shapes = {spec.name: list(spec.shape) for spec in conversion.specs}
        extra |= {"shapes": json.dumps(shapes), "outputs": json.dumps(list(conversion.outputs))}
        torch.export.save(program, path, extra_files=extra)
    return {path.name: {"torch": str(torch.__version__)}}


def _program(conversion: Conversion) -> Any:
    import torch

    names = list(conversion.outputs)
    taken = [spec.name for spec in conversion.specs]

    def forward(self: Any, **tensors: Any) -> dict[str, Any]:
        given = [tensors[name] for name in taken]
        found = self.network(given[0] if len(given) == 1 else given, training=False)
        values = found if isinstance(found, list | tuple) else [found]
        return {name: value.to(torch.float32) for name, value in zip(names, values, strict=True)}

    # torch.export asks for the names of what it may resize, which keywords of any name have not.
    word = inspect.Parameter.POSITIONAL_OR_KEYWORD
    forward.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [inspect.Parameter(name, word) for name in ("self", *taken)]
    )
    served = type("Served", (torch.nn.Module,), {"forward": forward})()
    served.network = conversion.network
    shapes, examples = _dimensions(conversion.specs)
    try:
        with torch.no_grad():
            return torch.export.export(
                served.eval(), (), examples, dynamic_shapes=shapes, strict=False
            )
    except Exception as error:
        raise RuntimeError(
            "torch.export cannot trace this network for batches of any size: "
            f"{type(error).__name__}: {str(error).strip()} Leave 'torch' out of the formats, or "
            "replace the layers that decide by their data what to compute."
        ) from error


def _dimensions(specs: tuple[Spec, ...]) -> tuple[dict[str, Any], Mapping[str, Any]]:
    """Which dimensions have any size, and tensors to trace with."""
    import torch

    named = {
        # Without a limit it refuses what other networks have one for, as learned positions.
        name: torch.export.Dim(name, max=spec.limits.get(name))
        for spec in specs
        for name in spec.axes.values()
    }
    batch = torch.export.Dim("batch")
    shapes = {
        spec.name: {0: batch, **{place: named[name] for place, name in spec.axes.items()}}
        for spec in specs
    }
    examples = {
        # A batch of one would be taken for a constant, and so would a length that others share.
        spec.name: torch.ones(
            (2, *(7 if side is None else side for side in spec.shape)),
            dtype=getattr(torch, spec.dtype),
        )
        for spec in specs
    }
    return shapes, examples
