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
    """Writes the artifacts of a job to the bundle that it names.

    Returns what the manifest says, by the artifact's path; under ``"proof"``, what was proved of
    the input, by section of the manifest.
    """
    from kerastl.formats import FORMATS
    from kerastl.formats.conversion import Conversion
    from kerastl.inputs import input_from_manifest
    from kerastl.outputs import Gate, output_from_config

    bundle = Path(job["bundle"])
    with steps.step("loading the network"):
        import keras

        for module in job["modules"]:
            importlib.import_module(module)
        network = keras.saving.load_model(folder / "network.keras", compile=False)
        input = input_from_manifest(job["manifest"], bundle, folder)
    sources = input.stored(folder, "sources")
    facts: dict[str, Any] = {}
    if job["prove"] and input.proof_step is not None:
        with steps.step(input.proof_step):
            facts["proof"] = input.prove(sources)
    calibration = folder / "calibration.npy"
    conversion = Conversion(
        network=input.for_export(network),
        input=input,
        outputs={name: output_from_config(config) for name, config in job["outputs"].items()},
        bundle=bundle,
        work=folder,
        formats=job["formats"],
        quantize=job["quantize"],
        metadata=job["metadata"],
        gate=Gate(**job["gate"]),
        sources=sources,
        calibration=np.load(calibration) if calibration.exists() else None,
        batch_one=job["litert"]["batch"] == 1,
        float_input=job["litert"]["float_input"],
        step=steps.step,
    )
    for name in job["formats"]:
        facts |= FORMATS[name].convert(conversion)
    return facts


def run(job: dict[str, Any], folder: Path, steps: Steps) -> dict[str, Any]:
    """Runs every artifact of a job in its own runtime and saves what it answers."""
    from kerastl.bundles.sessions import feeds_of, run_sources
    from kerastl.formats import FORMATS
    from kerastl.formats.pairs import pair_of
    from kerastl.inputs import input_from_manifest

    bundle, facts = Path(job["bundle"]), {}
    input = input_from_manifest(job["manifest"], bundle)
    sources = input.stored(folder, "sources")
    for index, artifact in enumerate(job["artifacts"]):
        with steps.step(f"running {artifact['path']}"):
            session = FORMATS[artifact["format"]].open(bundle / artifact["path"])
            found = run_sources(session, input, sources)
            # Tried on a batch of a size that no run before had.
            for _, feeds in feeds_of(session, input, sources[:3]):
                session.run(feeds)
            np.savez(folder / f"outputs_{index}.npz", **found)  # type: ignore[arg-type]
            fact: dict[str, Any] = {
                "class_names": session.class_names(),
                "outputs": sorted(session.outputs),
                "batch": str(session.batch),
            }
            pair = pair_of(input.kind, artifact["format"])
            if job["strings"] and hasattr(pair, "is_held") and pair.is_held(session):
                answered = dict(pair.run(session, list(job["strings"].values())))
                fact["labels"] = answered.pop("label", None)
                np.savez(folder / f"strings_{index}.npz", **answered)
            facts[artifact["path"]] = fact
    return facts


def measure(job: dict[str, Any], folder: Path, steps: Steps) -> dict[str, Any]:
    """Measures the one artifact of a job."""
    from kerastl.bundles import measuring

    with steps.step(f"measuring {job['path']}"):
        return measuring.measure(job, folder)


def main(job_path: str) -> int:
    """Carries out one job; returns the exit status."""
    folder = Path(job_path).parent
    job = json.loads(Path(job_path).read_text(encoding="utf-8"))
    steps = Steps(folder / "progress.jsonl")
    try:
        for module in job.get("imports", ()):
            importlib.import_module(module)
        facts = {"convert": convert, "run": run, "measure": measure}[job["does"]](
            job, folder, steps
        )
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
