"""The run directory: what of a run is kept on disk.

Layout: ``recipe.json``, ``task.json``, ``model.keras``, ``class_names.json``, ``history.json``,
``metrics.json``, ``provenance.json``, ``samples/``, ``evaluation.json``, ``baselines.json`` and
``.npz``, ``examples.npz``, and ``checkpoints/`` while the run trains.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras

# Networks of texts hold layers of this module, which Keras must know before it reads one.
import kerastl.backbones.text_layers  # noqa: F401
from kerastl.backbones import mend_saving
from kerastl.errors import RunError
from kerastl.evaluation import Evidence
from kerastl.files import atomic_file, read_json, write_json
from kerastl.inputs import input_from_run
from kerastl.model import first_version
from kerastl.outputs import output_from_config
from kerastl.samples import FOLDER as SAMPLES
from kerastl.samples import Samples
from kerastl.task import Task

if TYPE_CHECKING:
    from kerastl.model.trained import TrainedModel

TASK = "task.json"
MODEL = "model.keras"
CHECKPOINTS = "checkpoints"
DOCUMENTS = ("recipe", "class_names", "history", "metrics", "provenance")
# Of the run directory: since 2 there is a task.json.
LAYOUT = 2
# Written last: a run directory that holds it is complete.
LAST = "provenance.json"


def is_complete(path: Path) -> bool:
    """Whether a finished run lies at ``path``."""
    return (path / LAST).is_file()


def write(model: TrainedModel, path: Path) -> None:
    """Writes a run directory, each file as a whole; raises RunError where that cannot be."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        # Without its last file a run is incomplete: a kill cannot leave a mixture of two runs.
        (path / LAST).unlink(missing_ok=True)
        with atomic_file(path / MODEL) as temporary:
            model.network.save(temporary)
        shutil.rmtree(path / SAMPLES, ignore_errors=True)
        input = {"kind": model.task.input.kind, **model.task.input.save(path)}
        write_json(path / TASK, {"input": input, "outputs": model.task.outputs_config()})
        if model.samples is not None:
            model.samples.save(path, model.task.input)
        model.evidence.save(path)
        for name in DOCUMENTS:
            write_json(path / f"{name}.json", getattr(model, name))
        shutil.rmtree(path / CHECKPOINTS, ignore_errors=True)
    except OSError as error:
        raise RunError(f"The run directory {path} cannot be written: {error}.") from error


def read(path: Path) -> dict[str, Any]:
    """Reads a run directory into the attributes of a ``TrainedModel``; raises RunError."""
    if not path.is_dir():
        raise RunError(f"There is no run directory {path}.")
    if not is_complete(path):
        if (path / CHECKPOINTS).is_dir():
            raise RunError(
                f"{path} is an unfinished run, not a complete run directory: its training was "
                "interrupted, or is still going on. Go on with `kerastl fit ... --resume` "
                "(resume=True)."
            )
        raise RunError(
            f"{path} is not a complete run directory: {LAST} is missing. It is not a bundle "
            "either, which would hold manifest.json."
        )
    try:
        values = {name: read_json(path / f"{name}.json") for name in DOCUMENTS}
        # Safe mode refuses Lambda layers and all else that would run code out of the file.
        network = keras.saving.load_model(path / MODEL, compile=False, safe_mode=True)
        mend_saving(network)
        names = tuple(values.pop("class_names"))
        task = _task(path, network, names, values["provenance"])
        values["evidence"] = Evidence.load(path)
    except RunError:
        raise
    except Exception as error:
        # Keras, HDF5 and zipfile have an error each for every way in which a file is damaged.
        reason = str(error).strip().splitlines()
        raise RunError(
            f"The run directory {path} is damaged: {reason[0] if reason else error!r}"
        ) from error
    _check_outputs(path, network, task, names)
    samples = Samples.load(path, task.input, next(iter(task.outputs)))
    return {"network": network, "task": task, "samples": samples, **values}


def _task(
    path: Path, network: keras.Model, names: tuple[str, ...], provenance: Mapping[str, Any]
) -> Task:
    if not (path / TASK).exists() and provenance.get("layout", 1) < LAYOUT:
        return first_version.read_task(path, network, names)
    content = read_json(path / TASK)
    outputs = {name: output_from_config(config) for name, config in content["outputs"].items()}
    return Task(input_from_run(content["input"], path), outputs)


def _check_outputs(path: Path, network: keras.Model, task: Task, names: tuple[str, ...]) -> None:
    widths = [int(tensor.shape[-1]) for tensor in network.outputs]
    wanted = [output.width for output in task.outputs.values()]
    if widths != wanted or names != task.class_names:
        raise RunError(
            f"The run directory {path} is damaged: the network has outputs of {widths} numbers, "
            f"its task {wanted}, and class_names.json has {len(names)} names."
        )
