"""What an export yields: artifacts, their parity, and the gate they had to pass."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kerastl.errors import BundleError, ConfigurationError

DEFAULT_FORMATS = ("saved_model", "onnx", "litert")
FORMATS = (*DEFAULT_FORMATS, "openvino", "torch")
QUANTIZATIONS = ("float16", "dynamic", "int8", "int16x8")

# What calibration images make better, or possible at all.
CALIBRATED = ("dynamic", "int8", "int16x8")
NEED_CALIBRATION = ("int8", "int16x8")

_NAMES = {
    "saved_model": "saved_model",
    "onnx": "model.onnx",
    "openvino": "model_openvino",
    "torch": "model.pt2",
}
# Of texts alone: of images LiteRT has quantised files that keep more labels.
_ONNX_DYNAMIC = "model_dynamic.onnx"
_LITERT_NAMES: dict[str | None, str] = {
    None: "model.tflite",
    "float16": "model_float16.tflite",
    "dynamic": "model_dynamic.tflite",
    "int8": "model_int8.tflite",
    "int16x8": "model_int16x8.tflite",
}


def artifact_path(format: str, quantization: str | None = None) -> str:
    """Path of an artifact inside its bundle.

    >>> artifact_path("litert", "int8")
    'model_int8.tflite'
    """
    if format == "litert":
        return _LITERT_NAMES[quantization]
    if format == "onnx" and quantization == "dynamic":
        return _ONNX_DYNAMIC
    return _NAMES[format]


# Operations of TensorFlow that read or write files, or call Python. Those of saving and restoring
# variables are in every SavedModel.
_FOREIGN_OPERATIONS = (
    *("WriteFile", "ReadFile", "MatchingFiles", "WholeFileReader", "WholeFileReaderV2"),
    *("PyFunc", "PyFuncStateless", "EagerPyFunc", "PrintV2", "Save", "SaveSlices"),
    *("SaveDataset", "SaveDatasetV2", "DatasetToTFRecord", "TFRecordReader", "TFRecordReaderV2"),
    *("CreateSummaryFileWriter", "CreateSummaryDbWriter", "RemoteCall"),
    *("DebugIdentity", "DebugIdentityV2", "DebugIdentityV3"),
)


def refuse_code(folder: Path, entries: Iterable[Mapping[str, Any]], trusted: bool) -> None:
    """Refuses artifacts that could do more than answer when they are read or run.

    ``torch.export.load`` unpickles what an archive says is pickled, and compiles guards out of the
    archive's text: https://github.com/pytorch/pytorch/pull/176791. A SavedModel may hold operations
    that touch files: https://github.com/tensorflow/tensorflow/blob/master/SECURITY.md. Known ones
    are looked for; that is no sandbox.

    Args:
        folder: the bundle.
        entries: ``artifacts`` of its manifest, or some of them.
        trusted: the bundle's maker was said to be trusted.

    Raises:
        BundleError: there is such a one, and the bundle was not said to be trusted.
    """
    if trusted:
        return
    trust = (
        "If you trust whoever made this bundle, say so: trusted=True, or --trusted on the command "
        "line."
    )
    for entry in entries:
        if entry["format"] == "torch":
            raise BundleError(
                f"{artifact_path('torch')} is a program of torch.export, and reading one can run "
                f"any code that its maker put into it. {trust}"
            )
        file = folder / entry["path"] / "saved_model.pb"
        if entry["format"] == "saved_model" and file.is_file():
            content = file.read_bytes()
            # As the second field of a NodeDef: tag, length, name.
            found = [
                name
                for name in _FOREIGN_OPERATIONS
                if b"\x12" + bytes([len(name)]) + name.encode() in content
            ]
            if found:
                raise BundleError(
                    f"{entry['path']} holds operations that read or write files or call Python "
                    f"({', '.join(found)}), which no classifier needs. {trust}"
                )


@dataclass(frozen=True)
class Gate:
    """The parity gate: how closely an artifact must answer like the Keras model.

    Args:
        max_abs_diff: largest difference of any output value that a float artifact may show
            (all but the quantised LiteRT files).
        label_agreement: share of examples, in 0..1, on which a float artifact must give the
            model's label.
        quantized_label_agreement: the same for quantised artifacts, whose values are not
            held to ``max_abs_diff``.
    """

    max_abs_diff: float = 1e-3
    label_agreement: float = 1.0
    quantized_label_agreement: float = 0.98

    def validate(self) -> None:
        """Raises ConfigurationError where a threshold cannot be."""
        # Written so that NaN fails too.
        if not self.max_abs_diff >= 0:
            raise ConfigurationError(
                f"Gate.max_abs_diff must be 0 or more; received {self.max_abs_diff!r}."
            )
        for name in ("label_agreement", "quantized_label_agreement"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise ConfigurationError(
                    f"Gate.{name} is a share of examples from 0 to 1; received {value!r}."
                )

    def threshold(self, quantization: str | None) -> dict[str, float | None]:
        """The two thresholds that an artifact is held to; None where it is not held."""
        if quantization is None:
            return {"max_abs_diff": self.max_abs_diff, "label_agreement": self.label_agreement}
        return {"max_abs_diff": None, "label_agreement": self.quantized_label_agreement}


@dataclass(frozen=True)
class LiteRTOptions:
    """How LiteRT files take their input.

    Args:
        batch: 1 fixes the batch dimension, which some accelerators and Android's tools need;
            None leaves it open.
        float_input: float32 in and out of an int8 file, in place of uint8.
    """

    batch: int | None = None
    float_input: bool = False

    def validate(self) -> None:
        """Raises ConfigurationError where an option cannot be."""
        if self.batch not in (None, 1) or isinstance(self.batch, bool):
            raise ConfigurationError(
                f"LiteRTOptions.batch is None (any size) or 1; received {self.batch!r}."
            )


@dataclass(frozen=True)
class Artifact:
    """One exported file (or folder) and how closely it answers like the Keras model.

    Attributes:
        format: one of :data:`FORMATS`.
        path: relative to the bundle, with forward slashes.
        bytes: size; of a folder, the sum over its files.
        sha256: of the file; of a folder, see :func:`kerastl.bundles.hashing.sha256_path`.
        quantization: None, or one of :data:`QUANTIZATIONS`.
        max_abs_diff: largest difference from the model over all examples and outputs;
            None where a value was not finite.
        label_agreement: share of examples with the model's label.
        n: number of examples compared.
        passed: whether the gate let it through.
        accuracy: share of examples with the true label, where true labels were given.
        seconds: time the conversion took.
        float_layers: layers of a quantised file whose weights stay in float.
    """

    format: str
    path: str
    bytes: int
    sha256: str
    quantization: str | None
    max_abs_diff: float | None
    label_agreement: float
    n: int
    passed: bool
    accuracy: float | None = None
    seconds: float | None = None
    float_layers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Bundle:
    """A bundle on disk.

    Attributes:
        path: the folder.
        manifest: the content of its manifest.json.
        artifacts: one entry per artifact, in the order of the manifest.
        passed: whether every artifact passed.
    """

    path: Path
    manifest: dict[str, Any]
    artifacts: tuple[Artifact, ...]
    passed: bool

    def as_dict(self) -> dict[str, Any]:
        """The bundle as JSON-ready data, as ``kerastl export --json`` prints it."""
        return {
            "bundle": str(self.path),
            "artifacts": [asdict(artifact) for artifact in self.artifacts],
            "passed": self.passed,
        }
