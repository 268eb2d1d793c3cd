"""The torch route: torch.export's program of the network under Keras's torch backend.

Runs in an export worker of its own, under torch.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def convert(
    network: Any, path: Path, metadata: Mapping[str, Any], *, shape: tuple[int, int, int]
) -> dict[str, Any]:
    """Writes a ``.pt2`` file that takes ``image=`` and answers ``{"probabilities": ...}``.

    Args:
        network: a Keras model with one image input and one output, loaded under torch.
        path: the file to write.
        metadata: goes into the file's ``extra_files``; what is not a string, as JSON.
        shape: ``(height, width, 3)``.

    Returns:
        What the manifest says of it beside its parity.

    Raises:
        RuntimeError: torch.export cannot trace the network, or not for batches of any size.
    """
    import torch

    class Served(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, image: Any) -> dict[str, Any]:
            return {"probabilities": self.network(image, training=False).to(torch.float32)}

    served = Served().eval()
    try:
        with torch.no_grad():
            program = torch.export.export(
                served,
                (),
                # A batch of one would be taken for a constant.
                {"image": torch.zeros((2, *shape))},
                dynamic_shapes={"image": {0: torch.export.Dim("batch")}},
                strict=False,
            )
    except Exception as error:
        raise RuntimeError(
            "torch.export cannot trace this network for batches of any size: "
            f"{type(error).__name__}: {str(error).strip()} Leave 'torch' out of the formats, or "
            "replace the layers that decide by their data what to compute."
        ) from error
    extra = {
        key: value if isinstance(value, str) else json.dumps(value)
        for key, value in metadata.items()
    }
    torch.export.save(program, path, extra_files=extra)
    return {"torch": str(torch.__version__)}
