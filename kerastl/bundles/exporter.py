"""``export_subject``: a subject in, a proved bundle out, or nothing at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict

import numpy as np

from kerastl.bundles import assembly, faults, manifest
from kerastl.bundles import network as networks
from kerastl.bundles.arguments import Plan, plan_of
from kerastl.bundles.bundle import Artifact, Bundle, LiteRTOptions
from kerastl.bundles.few_examples import warn_of_few
from kerastl.bundles.hashing import sha256_path, size_of
from kerastl.bundles.jobs import check_installed, run_worker
from kerastl.bundles.proof import Proof
from kerastl.bundles.reporting import refuse_failed
from kerastl.bundles.running import Answers, run_artifacts
from kerastl.bundles.subject import Subject
from kerastl.errors import ExportError
from kerastl.files import atomic_folder
from kerastl.formats import DEFAULT_FORMATS, FORMATS
from kerastl.outputs import Gate
from kerastl.task import Array, Task

_DEFAULT_GATE = Gate()
_DEFAULT_LITERT = LiteRTOptions()


class ExportOptions(TypedDict, total=False):
    """The keyword arguments of ``export_subject``, which describes them."""

    formats: Sequence[str]
    quantize: Sequence[str]
    gate: Gate
    litert: LiteRTOptions
    any_size: bool
    overwrite: bool
    progress: Callable[[str], None] | None


def export_subject(
    subject: Subject,
    path: str | os.PathLike[str],
    *,
    formats: Sequence[str] = DEFAULT_FORMATS,
    quantize: Sequence[str] = (),
    gate: Gate = _DEFAULT_GATE,
    litert: LiteRTOptions = _DEFAULT_LITERT,
    any_size: bool = False,
    overwrite: bool = False,
    progress: Callable[[str], None] | None = None,
) -> Bundle:
    """Exports a subject and proves that every artifact answers like its network.

    Args:
        subject: what is exported.
        path: the folder to make; it appears whole or not at all.
        formats: any of ``"saved_model"``, ``"onnx"``, ``"litert"``, ``"openvino"``,
            ``"torch"``.
        quantize: further artifacts: any of ``kerastl.formats.QUANTIZATIONS``, or
            ``"FORMAT:QUANTIZATION"`` for one format only.
        gate: the thresholds.
        litert: batch dimension and input of the LiteRT files.
        any_size: of images: artifacts take them as they are and resize them in the graph, by the
            rule of training. Of the quantised ones, only float16 can.
        overwrite: replace a bundle that is there; a folder that holds anything else is left.
        progress: called with a short text as each step begins.

    Returns:
        The bundle.

    Raises:
        ConfigurationError: an argument is invalid.
        ExportError: a conversion failed or crashed; the message names the step.
        ParityError: an artifact did not pass the gate; nothing is written.
        MissingExtraError: a converter or runtime is not installed.
    """
    gate.validate()
    plan = plan_of(subject, formats, quantize, litert, any_size)
    networks.check_outputs(subject.network, subject.task)
    provenance = manifest.provenance_entries(subject.details)
    check_installed(plan.formats, to_convert=True, input=plan.input)
    check = manifest.refuse_foreign_folder
    with (
        atomic_folder(path, overwrite=overwrite, check=check) as folder,
        _written(subject.samples.files) as files,
    ):
        content = _export_to(
            folder, subject, plan, gate, files, provenance, progress or (lambda _: None)
        )
    return manifest.bundle_of(Path(path), content)


@contextlib.contextmanager
def _written(files: Sequence[tuple[str, bytes]]) -> Iterator[list[Path]]:
    """Source files, each in a folder of its own, since names may repeat."""
    with tempfile.TemporaryDirectory(prefix="kerastl-files-") as temporary:
        paths = []
        for index, (name, content) in enumerate(files):
            paths.append(Path(temporary) / str(index) / name)
            paths[-1].parent.mkdir()
            paths[-1].write_bytes(content)
        yield paths


def _export_to(
    folder: Path,
    subject: Subject,
    plan: Plan,
    gate: Gate,
    files: list[Path],
    provenance: Mapping[str, Any],
    say: Callable[[str], None],
) -> dict[str, Any]:
    network, reduced = networks.in_float32(subject.network)
    say("predicting with the network")
    proof = _proof(network, subject, plan, gate, files)
    _refuse_batch_dependent_network(network, subject.task, proof)
    task, nouns = proof.task, proof.task.input.nouns
    plan.input.write_files(folder)
    entries = plan.input.manifest_entries()
    facts = _convert(folder, network, plan, proof, say)
    for section, found in facts.pop("proof", {}).items():
        entries[section] = {**entries[section], **found}

    planned = [(name, FORMATS[name].path(kind)) for name, kind in plan.artifacts]
    manifest_part = {**entries, "task": task.name}
    answers = run_artifacts(folder, planned, plan.input, manifest_part, proof.sources, say)
    examples = answers.rows(proof.example_rows)
    artifacts = [_measured(folder, proof, item, examples, facts) for item in plan.artifacts]
    refuse_failed(
        f"The export was stopped: an artifact does not answer like the network, measured on "
        f"{len(proof.examples)} {proof.kind} {nouns}. Nothing was written.",
        folder,
        proof,
        artifacts,
        examples,
        _faults(proof, artifacts, answers),
        advice=f"Leave the quantisation out, calibrate on more {nouns}, or lower "
        "Gate.quantized_label_agreement (--label-agreement), which the manifest then records.",
    )
    warn_of_few(artifacts, gate, f"{proof.kind} {nouns}", _labels_given(proof))
    say("writing the bundle")
    return assembly.write_bundle(
        folder,
        proof,
        artifacts,
        answers,
        entries=entries,
        facts={
            path: {"batch": answers.facts[path]["batch"], **facts.get(path, {})}
            for _, path in planned
        },
        provenance={**provenance, "reduced_precision": reduced},
    )


def _proof(network: Any, subject: Subject, plan: Plan, gate: Gate, files: list[Path]) -> Proof:
    # Reading and verifying a bundle needs no Keras.
    from kerastl.model.predicting import predict_sources

    given = list(subject.samples.sources)
    examples, kind = (given, subject.samples.kind) if given else plan.input.builtin
    probes = plan.input.probes()
    reference = predict_sources(network, subject.task, [*examples, *files, *probes])
    for values in reference.values():
        bad = int((~np.isfinite(values).all(axis=1)).sum())
        if bad:
            raise ExportError(
                f"The network itself answers with values that are not finite, on {bad} of "
                f"{len(values)} {plan.input.nouns}: a weight is NaN or infinite, or the training "
                "diverged."
            )
    task = Task(plan.input, subject.task.outputs)
    return Proof(task, gate, examples, kind, files, probes, reference, subject.samples.labels)


def _refuse_batch_dependent_network(network: Any, task: Task, proof: Proof) -> None:
    """Refuses a network whose answer for an example depends on the other examples of its batch.

    Artifacts answer for single examples, and would be compared with answers in batches.
    """
    if network.inputs[0].shape[0] is not None:
        return
    import keras

    [(_, batch)] = task.input.batches(proof.sources[:1])
    # Whatever structure its inputs and outputs have.
    listed = keras.Model(network.inputs[0], network.outputs)
    alone = listed(batch.astype(network.inputs[0].dtype), training=False)
    # A kernel for one row may round differently from one for many.
    allowed = max(proof.gate.max_abs_diff, Gate().max_abs_diff)
    for name, values in task.by_name(alone).items():
        reference, noun = proof.reference[name], task.input.noun
        diff = float(np.abs(reference[:1] - np.asarray(values)).max())
        if diff > allowed * task.outputs[name].scale(reference):
            raise ExportError(
                f"The network's answer for {'an' if noun[0] in 'aeiou' else 'a'} {noun} depends on "
                f"the other {task.input.nouns} of its batch: alone, it differs by {diff:.2e}. A "
                "layer mixes the examples of a batch, as BatchNormalization does in training only."
            )


def _convert(
    folder: Path, network: Any, plan: Plan, proof: Proof, say: Callable[[str], None]
) -> dict[str, Any]:
    task, entries = proof.task, plan.input.manifest_entries()
    members: list[Any] = [task.input, *task.outputs.values()]
    # Importing these makes the input and the outputs known.
    imports = sorted({type(member).__module__ for member in members})
    modules = sorted({*networks.modules_of(network), *imports})
    with tempfile.TemporaryDirectory(prefix="kerastl-export-") as temporary:
        work = Path(temporary)
        networks.save_network(network, work / "network.keras")
        plan.input.pack(work)
        plan.input.store(work, "sources", proof.sources)
        if plan.calibration is not None:
            np.save(work / "calibration.npy", plan.calibration)
        job = {
            "does": "convert",
            "bundle": str(folder.resolve()),
            "manifest": {**entries, "task": task.name},
            "outputs": task.outputs_config(),
            "quantize": plan.quantize,
            "litert": vars(plan.litert),
            "gate": vars(proof.gate),
            "modules": modules,
            "metadata": manifest.artifact_metadata(task, entries),
        }
        facts: dict[str, Any] = {"seconds": {}}
        # Formats of Keras's other backends are converted in processes of their own.
        for backend in dict.fromkeys(FORMATS[name].backend for name in plan.formats):
            names = [name for name in plan.formats if FORMATS[name].backend == backend]
            part = {**job, "formats": names, "prove": names[0] == plan.formats[0]}
            more = run_worker(part, work, say, backend=backend)
            facts = {**facts, **more, "seconds": {**facts["seconds"], **more["seconds"]}}
        return facts


def _measured(
    folder: Path,
    proof: Proof,
    item: tuple[str, str | None],
    examples: Mapping[str, Mapping[str, Array]],
    facts: Mapping[str, Any],
) -> Artifact:
    (name, quantization), task = item, proof.task
    path = FORMATS[name].path(quantization)
    found, reference = examples[path], proof.rows(proof.example_rows)
    return Artifact(
        format=name,
        path=path,
        bytes=size_of(folder / path),
        sha256=sha256_path(folder / path),
        quantization=quantization,
        **task.figures(reference, found, proof.gate, quantization),
        n=len(proof.examples),
        accuracy=task.accuracy(proof.labels, found),
        seconds=facts["seconds"].get(FORMATS[name].step(quantization)),
        float_layers=tuple(facts.get(path, {}).get("float_layers", ())),
    )


def _faults(proof: Proof, artifacts: Sequence[Artifact], answers: Answers) -> list[str]:
    found = [*faults.held_faults(answers, proof.task), *faults.string_faults(answers, proof)]
    answered = answers.rows(proof.other_rows)
    if proof.task.input.equivalents(proof.others[:1]):
        same = dict.fromkeys(answered, proof.rows(proof.other_rows))
        return found + faults.resize_faults(answered, proof.task, same, len(proof.files))
    return found + faults.single_faults(artifacts, answered, proof)


def _labels_given(proof: Proof) -> int | None:
    """How many labels the network gives to the examples; None where it gives none of classes."""
    if not proof.task.first.names_one_class:
        return None
    [reference, *_] = proof.rows(proof.example_rows).values()
    return len(set(proof.task.first.decode(reference)))
