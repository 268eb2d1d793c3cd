"""The run directory: what of a run is kept on disk.

Layout: ``recipe.json``, ``model.keras``, ``class_names.json``, ``history.json``,
``metrics.json``, ``provenance.json``, ``samples/``, and ``checkpoints/`` while the run trains.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras

from kerastl.backbones import mend_saving
from kerastl.errors import RunError
from kerastl.files import atomic_file, read_json, write_json
from kerastl.model.samples import FOLDER as SAMPLES

MODEL = "model.keras"
CHECKPOINTS = "checkpoints"
DOCUMENTS = ("recipe", "class_names", "history", "metrics", "provenance")
# Written last: a run directory that holds it is complete.
LAST = "provenance.json"


def is_complete(path: Path) -> bool:
    """Whether a finished run lies at ``path``."""
    return (path / LAST).is_file()


def write(
    network: keras.Model,
    save_extras: Callable[[Path], None],
    documents: Mapping[str, Any],
    path: Path,
) -> None:
    """Writes a run directory; each file is replaced as a whole.

    Args:
        network: the trained network.
        save_extras: writes what else belongs to the run, below the directory that it is given.
        documents: contents of the JSON files, by name.
        path: the directory.

    Raises:
        RunError: ``path`` is a file, or cannot be written.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        # Without its last file a run is incomplete: a kill cannot leave a mixture of two runs.
        (path / LAST).unlink(missing_ok=True)
        with atomic_file(path / MODEL) as temporary:
            network.save(temporary)
        shutil.rmtree(path / SAMPLES, ignore_errors=True)
        save_extras(path)
        for name in DOCUMENTS:
            write_json(path / f"{name}.json", documents[name])
        shutil.rmtree(path / CHECKPOINTS, ignore_errors=True)
    except OSError as error:
        raise RunError(f"The run directory {path} cannot be written: {error}.") from error


def read(path: Path) -> dict[str, Any]:
    """Reads a run directory into the attributes that every ``TrainedModel`` has.

    Raises:
        RunError: it is missing, incomplete or damaged.
    """
    if not path.is_dir():
        raise RunError(f"There is no run directory {path}.")
    if not is_complete(path):
        hint = (
            " Its training did not finish: go on with `kerastl fit ... --resume` (resume=True)."
            if (path / CHECKPOINTS).is_dir()
            else ""
        )
        raise RunError(f"{path} is not a complete run directory: {LAST} is missing.{hint}")
    try:
        values = {name: read_json(path / f"{name}.json") for name in DOCUMENTS}
        values["class_names"] = tuple(values["class_names"])
        # Safe mode refuses Lambda layers and all else that would run code out of the file.
        network = keras.saving.load_model(path / MODEL, compile=False, safe_mode=True)
        mend_saving(network)
    except RunError:
        raise
    except Exception as error:
        # Keras, HDF5 and zipfile have an error each for every way in which a file is damaged.
        reason = str(error).strip().splitlines()
        raise RunError(
            f"The run directory {path} is damaged: {reason[0] if reason else error!r}"
        ) from error
    return {"network": network, **values}


def check_classes(path: Path, content: Mapping[str, Any]) -> None:
    """Raises RunError where a network does not give one output for each class name.

    Args:
        path: the run directory.
        content: what ``read`` found there.
    """
    outputs, names = content["network"].output_shape[-1], content["class_names"]
    # A regression has one output and no classes.
    if outputs != (len(names) or 1):
        raise RunError(
            f"The run directory {path} is damaged: the network has {outputs} outputs, and "
            f"class_names.json has {len(names)} names."
        )
