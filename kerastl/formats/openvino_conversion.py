"""The OpenVINO route: its reader of TensorFlow graphs, weights in float32, class names inside.

Runs in the export worker, under TensorFlow.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kerastl.formats import OPENVINO, graph_passes
from kerastl.formats.conversion import Conversion
from kerastl.formats.openvino import MODEL, SECTION


def convert(conversion: Conversion) -> dict[str, dict[str, Any]]:
    """Writes the OpenVINO model of a bundle."""
    frozen, path = conversion.frozen, conversion.bundle / OPENVINO.path()
    inputs, outputs = conversion.tensors(frozen)
    with conversion.step(OPENVINO.step()):
        return {path.name: write(frozen, path, conversion.metadata, inputs=inputs, outputs=outputs)}


def write(
    frozen: Any,
    path: Path,
    metadata: Mapping[str, Any],
    *,
    inputs: Mapping[str, str],
    outputs: Mapping[str, str],
) -> dict[str, Any]:
    """Writes a folder with ``model.xml`` and ``model.bin``; see ``onnx_conversion.write``.

    Raises RuntimeError where OpenVINO cannot convert an operation of the network.
    """
    import openvino

    graph = frozen.graph.as_graph_def()
    graph_passes.fold_slice_updates(graph)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "graph.pb"
        source.write_bytes(graph.SerializeToString())
        try:
            # Not openvino.convert_model: it writes the path of its source on this machine into
            # the file, and reports its use over the network.
            model = openvino.Core().read_model(str(source))
        except RuntimeError as error:
            raise RuntimeError(
                f"OpenVINO cannot convert this network: {error} Leave 'openvino' out of the "
                "formats, or replace the layers that need it."
            ) from error
        for tensor, name in (*inputs.items(), *outputs.items()):
            _tensor(model, tensor).set_names({name})
        # Else it is a number that counts the models of this process.
        model.set_friendly_name("kerastl")
        for key, value in metadata.items():
            text = value if isinstance(value, str) else json.dumps(value)
            model.set_rt_info(text, [SECTION, key])
        path.mkdir()
        # The default rounds weights to 16 bits. The weights are read from the source until now.
        openvino.save_model(model, str(path / MODEL), compress_to_fp16=False)
    return {"openvino": openvino.get_version()}


def _tensor(model: Any, name: str) -> Any:
    for port in (*model.inputs, *model.outputs):
        if name in port.get_names():
            return port.get_tensor()
    held = [sorted(port.get_names()) for port in (*model.inputs, *model.outputs)]
    raise RuntimeError(f"OpenVINO's model has the inputs and outputs {held}, and not {name!r}.")
