"""The OpenVINO route: its own reader of SavedModels, weights in float32, class names inside.

Runs in the export worker.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

MODEL = "model.xml"
# The section of the file's rt_info that holds class names and metadata.
SECTION = "kerastl"


def convert(saved_model: Path, path: Path, metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Writes a folder with OpenVINO's two files, ``model.xml`` and ``model.bin``.

    Args:
        saved_model: the folder to convert; the names of ``serving_default`` are kept.
        path: the folder to write.
        metadata: goes into ``rt_info``; what is not a string, as JSON.

    Returns:
        What the manifest says of it beside its parity.

    Raises:
        RuntimeError: OpenVINO cannot convert an operation of the network.
    """
    import openvino

    # Not openvino.convert_model: it writes the path of its source on this machine into the file,
    # and reports its use over the network.
    try:
        model = openvino.Core().read_model(str(saved_model))
    except RuntimeError as error:
        raise RuntimeError(
            f"OpenVINO cannot convert this network: {error} Leave 'openvino' out of the formats, "
            "or replace the layers that need it."
        ) from error
    # Else it is a number that counts the models of this process.
    model.set_friendly_name("kerastl")
    for key, value in metadata.items():
        text = value if isinstance(value, str) else json.dumps(value)
        model.set_rt_info(text, [SECTION, key])
    path.mkdir()
    # The default rounds weights to 16 bits.
    openvino.save_model(model, str(path / MODEL), compress_to_fp16=False)
    return {"openvino": openvino.get_version()}
