"""What an export yields: artifacts, their parity, and the gate they had to pass."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from kerastl.errors import BundleError, ConfigurationError, counted
from kerastl.formats import FORMATS

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
    are looked for; that is not a sandbox.

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
        if FORMATS[entry["format"]].runs_code:
            raise BundleError(
                f"{entry['path']} is a program, and reading one can run any code that its maker "
                f"put into it. {trust}"
            )
        file = folder / entry["path"] / "saved_model.pb"
        if file.is_file():
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
        """Raises ConfigurationError where an option is invalid."""
        if self.batch not in (None, 1) or isinstance(self.batch, bool):
            raise ConfigurationError(
                f"LiteRTOptions.batch is None (any size) or 1; received {self.batch!r}."
            )


@dataclass(frozen=True)
class Artifact:
    """One exported file (or folder) and how closely it answers like the Keras model.

    Attributes:
        format: one of :data:`kerastl.formats.FORMATS`.
        path: relative to the bundle, with forward slashes.
        bytes: size; of a folder, the sum over its files.
        sha256: of the file; of a folder, see :func:`kerastl.bundles.hashing.sha256_path`.
        quantization: None, or one of :data:`kerastl.formats.QUANTIZATIONS`.
        max_abs_diff: largest difference from the model over all examples and outputs;
            None where a value was not finite.
        label_agreement: share of examples with the model's label.
        n: number of examples compared.
        passed: whether the gate let it through.
        accuracy: share of right decisions, where true labels were given and there are classes.
        seconds: time the conversion took.
        float_layers: layers of a quantised file whose weights stay in float.
        outputs: ``max_abs_diff``, ``label_agreement`` and ``passed`` of each of several outputs.
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
    outputs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, repr=False)
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

    def __repr__(self) -> str:
        said = "passed" if self.passed else "failed"
        return f"Bundle({str(self.path)!r}: {counted(len(self.artifacts), 'artifact')}, {said})"

    def as_dict(self) -> dict[str, Any]:
        """The bundle as JSON-ready data, as ``kerastl export --json`` prints it."""
        return {
            "bundle": str(self.path),
            "artifacts": [asdict(artifact) for artifact in self.artifacts],
            "passed": self.passed,
        }
