"""The subprocess that converts artifacts, or runs them: ``python -m kerastl.bundles.worker JOB``.

A converter can crash the process it runs in, and artifacts are proved in a process that never
saw the network. The worker notes every step in ``progress.jsonl`` beside its job, so that the
parent can say in which step it died; a Python error goes to ``error.json``.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from kerastl.bundles.bundle import CALIBRATED, LiteRTOptions, artifact_path


class Steps:
    """Notes the steps of a job where the parent can read them."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.current = "starting"

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Notes that a step begins and, with its duration, that it ended."""
        self.current = name
        self._note({"step": name})
        start = time.monotonic()
        yield
        self._note({"step": name, "seconds": round(time.monotonic() - start, 3)})

    def _note(self, entry: dict[str, Any]) -> None:
        with self._path.open("a", encoding="utf-8") as handle:
            handle.write(json.dumps(entry) + "\n")


def convert(job: dict[str, Any], folder: Path, steps: Steps) -> dict[str, Any]:
    """Writes every artifact of a job to the folder it names."""
    network = _load(job, folder, steps)
    from kerastl.bundles import saved_model

    out, facts = Path(job["out"]), {}
    with steps.step("tracing the network"):
        traced = saved_model.trace(network, tuple(job["shape"]), resizing=job["any_size"])
    # LiteRT converts from a SavedModel even where none was asked for.
    saved = out / "saved_model" if "saved_model" in job["formats"] else folder / "saved_model"
    with steps.step("writing saved_model"):
        facts["saved_model"] = saved_model.write(
            traced, saved, tuple(job["shape"]), job["class_names"], resizing=job["any_size"]
        )
    if "litert" in job["formats"]:
        facts |= _convert_litert(job, folder, saved, steps, _names_of_layers(network))
    if {"onnx", "openvino"} & set(job["formats"]):
        with steps.step("turning weights into constants"):
            frozen = saved_model.constants_of(traced)
        inputs = {frozen.inputs[0].name: "image"}
        outputs = {frozen.outputs[0].name: "probabilities"}
    if "onnx" in job["formats"]:
        with steps.step("converting to onnx"):
            from kerastl.bundles import onnx_route

            facts["model.onnx"] = onnx_route.convert(
                frozen,
                out / "model.onnx",
                job["metadata"],
                inputs=inputs,
                outputs=outputs,
                axes={1: "height", 2: "width"},
            )
    if "openvino" in job["formats"]:
        with steps.step("converting to openvino"):
            from kerastl.bundles import openvino_route

            name = artifact_path("openvino")
            facts[name] = openvino_route.convert(
                frozen, out / name, job["metadata"], inputs=inputs, outputs=outputs
            )
    return facts


def convert_torch(job: dict[str, Any], folder: Path, steps: Steps) -> dict[str, Any]:
    """Writes the one artifact that is made under Keras's torch backend."""
    from kerastl.bundles import torch_route

    network = _load(job, folder, steps)
    path = artifact_path("torch")
    with steps.step("converting to torch"):
        facts = torch_route.convert(
            network, Path(job["out"]) / path, job["metadata"], shape=tuple(job["shape"])
        )
    return {path: facts}


def _load(job: dict[str, Any], folder: Path, steps: Steps) -> Any:
    with steps.step("loading the network"):
        import keras

        for module in job["modules"]:
            importlib.import_module(module)
        return keras.saving.load_model(folder / "network.keras", compile=False)


def _convert_litert(
    job: dict[str, Any], folder: Path, saved: Path, steps: Steps, layers: list[str]
) -> dict[str, Any]:
    from kerastl.bundles import litert_route, quantization

    out, facts, prepared = Path(job["out"]), {}, None
    calibration = folder / "calibration.npy"
    for kind in (None, *job["quantize"]):
        if kind in CALIBRATED and prepared is None and calibration.exists():
            with steps.step("correcting weights on calibration images"):
                data = (out / artifact_path("litert")).read_bytes()
                prepared = quantization.prepare(data, np.load(calibration))
        name = artifact_path("litert", kind)
        with steps.step(f"converting to litert ({kind or 'float32'})"):
            facts[name] = litert_route.convert(
                saved,
                out / name,
                kind,
                job["class_names"],
                shape=tuple(job["shape"]),
                options=LiteRTOptions(**job["litert"]),
                prepared=prepared,
                gate=job["gate"],
                layers=layers,
            )
    return facts


def _names_of_layers(network: Any) -> list[str]:
    """Names of the layers that hold weights, inside nested models too."""
    return [layer.name for layer in network._flatten_layers() if hasattr(layer, "kernel")]


def run(job: dict[str, Any], folder: Path, steps: Steps) -> dict[str, Any]:
    """Runs every artifact of a job in its own runtime and saves what it answers."""
    from kerastl.bundles.runtimes import SavedModelRuntime, open_artifact

    bundle, facts = Path(job["bundle"]), {}
    images = np.load(folder / "images.npy", mmap_mode="r")
    for index, artifact in enumerate(job["artifacts"]):
        with steps.step(f"running {artifact['path']}"):
            runtime = open_artifact(artifact["format"], bundle / artifact["path"])
            np.save(folder / f"outputs_{index}.npy", runtime.predict(images))
            if job["any_size"]:
                with np.load(folder / "unresized.npz") as unresized:
                    rows = [runtime.predict(unresized[name][None])[0] for name in unresized.files]
                np.save(folder / f"unresized_{index}.npy", np.stack(rows))
            facts[artifact["path"]] = {
                "class_names": runtime.class_names(),
                "batch": runtime.batch(images[:3]),
            }
            if isinstance(runtime, SavedModelRuntime) and job["encoded"]:
                encoded = [(bundle / file).read_bytes() for file in job["encoded"]]
                outputs, labels = runtime.serve_bytes(encoded)
                np.save(folder / "serve_bytes.npy", outputs)
                facts[artifact["path"]]["serve_bytes_labels"] = labels
    return facts


def measure(job: dict[str, Any], folder: Path, steps: Steps) -> dict[str, Any]:
    """Measures the one artifact of a job."""
    from kerastl.bundles import measuring

    with steps.step(f"measuring {Path(job['artifact']).name}"):
        return measuring.measure(job, folder)


def convert_text(job: dict[str, Any], folder: Path, steps: Steps) -> dict[str, Any]:
    """Writes every artifact of a text classifier to the folder that the job names."""
    from kerastl.bundles import text_conversion

    return text_conversion.convert(job, folder, steps.step)


def run_text(job: dict[str, Any], folder: Path, steps: Steps) -> dict[str, Any]:
    """Runs every artifact of a text bundle in its own runtime, from strings to outputs."""
    from kerastl.bundles import text_running

    return text_running.run(job, folder, steps.step)


def main(job_path: str) -> int:
    """Carries out one job; returns the exit status."""
    folder = Path(job_path).parent
    job = json.loads(Path(job_path).read_text(encoding="utf-8"))
    steps = Steps(folder / "progress.jsonl")
    try:
        kinds = {
            "convert": convert,
            "convert_torch": convert_torch,
            "run": run,
            "measure": measure,
            "convert_text": convert_text,
            "run_text": run_text,
        }
        facts = kinds[job["kind"]](job, folder, steps)
    except Exception as error:
        import traceback

        traceback.print_exc()
        content = {"step": steps.current, "type": type(error).__name__, "message": str(error)}
        (folder / "error.json").write_text(json.dumps(content), encoding="utf-8")
        return 1
    (folder / "facts.json").write_text(json.dumps(facts), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
