"""Formats: the forms in which a network is shipped. See ``kerastl.formats.format``.

>>> format_named("litert").path("int8")
'model_int8.tflite'
"""

from kerastl.errors import ConfigurationError, did_you_mean
from kerastl.formats.format import Format, Session

__all__ = [
    "CALIBRATED",
    "DEFAULT_FORMATS",
    "FORMATS",
    "NEED_CALIBRATION",
    "QUANTIZATIONS",
    "Format",
    "Session",
    "format_named",
]

SAVED_MODEL = Format(
    name="saved_model",
    title="SavedModel",
    extra="tensorflow",
    runtime="tensorflow",
    converters=("tensorflow",),
    paths={None: "saved_model"},
    session="kerastl.formats.saved_model:SavedModelSession",
    hub_library="tensorflow",
    runner=("run_saved_model.py", "tensorflow"),
)
ONNX = Format(
    name="onnx",
    title="ONNX",
    extra="onnx",
    runtime="onnxruntime",
    converters=("tensorflow", "tf2onnx", "onnx"),
    paths={None: "model.onnx", "dynamic": "model_dynamic.onnx"},
    session="kerastl.formats.onnx:OnnxSession",
    hub_library="onnx",
    runner=("run_onnx.py", "onnxruntime"),
)
LITERT = Format(
    name="litert",
    title="LiteRT",
    extra="litert",
    runtime="ai_edge_litert",
    converters=("tensorflow",),
    paths={
        None: "model.tflite",
        "float16": "model_float16.tflite",
        "dynamic": "model_dynamic.tflite",
        "int8": "model_int8.tflite",
        "int16x8": "model_int16x8.tflite",
    },
    session="kerastl.formats.litert:LiteRTSession",
    hub_library="tflite",
    runner=("run_litert.py", "ai-edge-litert"),
    fixed_lengths=True,
)
OPENVINO = Format(
    name="openvino",
    title="OpenVINO",
    extra="openvino",
    runtime="openvino",
    converters=("tensorflow", "openvino"),
    paths={None: "model_openvino"},
    session="kerastl.formats.openvino:OpenVINOSession",
    hub_library="openvino",
    runner=("run_openvino.py", "openvino"),
)
TORCH = Format(
    name="torch",
    title="PyTorch",
    extra="torch",
    runtime="torch",
    converters=("torch",),
    paths={None: "model.pt2"},
    session="kerastl.formats.torch:TorchSession",
    backend="torch",
    hub_library="pytorch",
    runner=("run_torch.py", "torch"),
    runs_code=True,
)

FORMATS: dict[str, Format] = {
    item.name: item for item in (SAVED_MODEL, ONNX, LITERT, OPENVINO, TORCH)
}
DEFAULT_FORMATS = ("saved_model", "onnx", "litert")
QUANTIZATIONS = ("float16", "dynamic", "int8", "int16x8")
# What calibration examples make better, or possible at all.
CALIBRATED = ("dynamic", "int8", "int16x8")
NEED_CALIBRATION = ("int8", "int16x8")


def format_named(name: str) -> Format:
    """The format of a name; raises ConfigurationError where no format has it."""
    if name not in FORMATS:
        raise ConfigurationError(
            f"format must be one of {tuple(FORMATS)}; received {name!r}."
            f"{did_you_mean(str(name), FORMATS)}"
        )
    return FORMATS[name]
