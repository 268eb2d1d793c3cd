"""What the contract suites run on: bundles of several inputs and outputs, each made once."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kerastl.bundles import Gate
from kerastl.inputs.text_probes import PROBES
from tests import forked

from . import text_models
from .several import several_model

RUNNERS = Path(__file__).resolve().parents[2] / "export"
OPENVINO = ("openvino",) if importlib.util.find_spec("openvino") else ()


@dataclass(frozen=True)
class Case:
    """A model, its bundle, and what both are asked.

    Attributes:
        model: a trained model.
        bundle: what was exported of it.
        steps: what the export told of its progress.
        given: sources that predictors and runners take.
        n: how many examples it was proved on.
        close: the largest difference of any output from the model's, by quantisation.
    """

    model: Any
    bundle: Any
    steps: Sequence[str]
    given: Sequence[Any]
    n: int
    close: Mapping[str | None, float]

    @property
    def task(self):
        return self.model.task

    @property
    def entries(self):
        return self.bundle.manifest["artifacts"]


def exported(model, folder, **options):
    """A bundle and the steps of its export."""
    steps: list[str] = []
    with forked.workers():
        bundle = model.export(folder / "bundle", progress=steps.append, **options)
    return bundle, steps


def text_case(folder):
    model = text_models.text_model()
    bundle, steps = exported(
        model,
        folder,
        formats=("saved_model", "onnx", "litert", *OPENVINO),
        quantize=("float16", "dynamic"),
        # Of 32 random features 8 bits cost more labels than of a trained network.
        gate=Gate(quantized_label_agreement=0.8),
    )
    given = [*text_models.texts(6, seed=3), *PROBES]
    return Case(model, bundle, steps, given, 64, {None: 1e-5, "float16": 0.01, "dynamic": 0.2})


def several_of_text_case(folder):
    model = text_models.several_model()
    bundle, steps = exported(
        model, folder, quantize=("dynamic",), gate=Gate(quantized_label_agreement=0.5)
    )
    given = [*text_models.texts(6, seed=3), *PROBES]
    return Case(model, bundle, steps, given, 64, {None: 1e-4, "dynamic": 2.0})


def vector_case(folder):
    model = text_models.embedding_model(dimensions=24)
    bundle, steps = exported(
        model,
        folder,
        quantize=("dynamic",),
        # Of 32 random features 8 bits move a vector further than of a trained network.
        gate=Gate(quantized_label_agreement=0.5),
    )
    given = [*text_models.texts(6, seed=3), *PROBES]
    return Case(model, bundle, steps, given, 64, {None: 1e-5, "dynamic": 0.5})


def several_case(trained, folder):
    model = several_model(trained)
    bundle, steps = exported(
        model,
        folder,
        formats=("saved_model", "onnx", "litert", *OPENVINO),
        quantize=("float16", "dynamic", "int8", "onnx:dynamic"),
        # Of random heads 8 bits cost more than of trained ones.
        gate=Gate(quantized_label_agreement=0.5),
    )
    close = {None: 1e-3, "float16": 0.1, "dynamic": 4.0, "int8": 4.0}
    return Case(model, bundle, steps, list(trained.files), 90, close)


# Runs the scripts' own functions, since no command line takes such things as a NUL.
_DRIVER = """
import importlib, json, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import bundle_io
bundle = Path(sys.argv[2])
manifest = bundle_io.read_manifest(bundle)
work = json.load(sys.stdin)
found = []
for script, quantization in work["scripts"]:
    read = bundle_io.reader_of(manifest, bundle)
    run = importlib.import_module(script).open_artifact(bundle, manifest, read, quantization)
    answers = []
    for source in work["given"]:
        try:
            answers.append(bundle_io.answer(run(read(source)), manifest))
        except ValueError as error:
            answers.append(str(error))
    found.append(answers)
assert not any(name.split(".")[0] == "kerastl" for name in sys.modules)
print()
print(json.dumps(found))
"""


def drive(bundle, given, *scripts):
    """What runner scripts answer, all in one process without kerastl.

    Args:
        bundle: the folder.
        given: sources.
        scripts: (format, quantisation) each.

    Returns:
        For each script the answers to the sources; refusals as strings.
    """
    work = {
        "scripts": [(f"run_{name}", quantization) for name, quantization in scripts],
        "given": [str(source) if isinstance(source, Path) else source for source in given],
    }
    done = subprocess.run(
        [sys.executable, "-c", _DRIVER, str(RUNNERS), str(bundle)],
        input=json.dumps(work),
        capture_output=True,
        text=True,
        # Not where kerastl lies.
        cwd=RUNNERS,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])
