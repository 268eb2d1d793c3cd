"""``export``: a network in, a proved bundle out, or nothing at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerastl.bundles import arguments, golden, manifest, parity
from kerastl.bundles import network as networks
from kerastl.bundles.assembly import artifact_of, step_of, write_bundle
from kerastl.bundles.bundle import (
    CALIBRATED,
    DEFAULT_FORMATS,
    Bundle,
    Gate,
    LiteRTOptions,
    artifact_path,
)
from kerastl.bundles.diagnosis import diagnose
from kerastl.bundles.examples import warn_of_few
from kerastl.bundles.jobs import check_installed, run_worker
from kerastl.bundles.running import (
    file_faults,
    held_names_faults,
    run_artifacts,
    unresized_faults,
)
from kerastl.data import decode_full_size, decode_image
from kerastl.errors import ExportError, ParityError
from kerastl.files import atomic_folder
from kerastl.inputs.image_probes import probe_images, synthetic_images, vertical_pass_may_lead

if TYPE_CHECKING:
    import keras

Array = np.ndarray[Any, Any]

SYNTHETIC_EXAMPLES = 48
_CHUNK = 256
_DEFAULT_GATE = Gate()
_DEFAULT_LITERT = LiteRTOptions()


@dataclass(frozen=True)
class _Request:
    """The checked arguments of one export."""

    class_names: list[str]
    formats: list[str]
    quantize: list[str]
    shape: tuple[int, int, int]
    inputs: Array
    examples: str
    labels: Array | None
    calibration: Array | None
    files: dict[str, Path]
    file_pixels: Array
    gate: Gate
    litert: LiteRTOptions
    any_size: bool
    provenance: dict[str, Any]
    versions: dict[str, str]

    @property
    def planned(self) -> list[tuple[str, str | None]]:
        """Format and quantisation of every artifact."""
        plan: list[tuple[str, str | None]] = [(name, None) for name in self.formats]
        return plan + [("litert", quantization) for quantization in self.quantize]


def export(
    network: keras.Model,
    path: str | os.PathLike[str],
    *,
    class_names: Sequence[str],
    formats: Sequence[str] = DEFAULT_FORMATS,
    quantize: Sequence[str] = (),
    examples: Array | None = None,
    labels: Array | None = None,
    calibration: Array | None = None,
    files: Sequence[str | os.PathLike[str]] = (),
    gate: Gate = _DEFAULT_GATE,
    litert: LiteRTOptions = _DEFAULT_LITERT,
    any_size: bool = False,
    overwrite: bool = False,
    details: Mapping[str, Any] | None = None,
    progress: Callable[[str], None] | None = None,
) -> Bundle:
    """Exports an image classifier and proves that every artifact answers like it.

    Args:
        network: a Keras model with one input, float32 ``(batch, height, width, 3)`` of pixel
            values 0 to 255 (preprocessing inside), and one output ``(batch, classes)``.
        path: the folder to make; it appears whole or not at all.
        class_names: one name per output, in the order of the outputs.
        formats: any of ``"saved_model"``, ``"onnx"``, ``"litert"``, ``"openvino"``,
            ``"torch"``.
        quantize: LiteRT artifacts beside the float32 one: ``"float16"``, ``"dynamic"``,
            ``"int8"``, ``"int16x8"``.
        examples: images to compare on, uint8 ``(n, height, width, 3)``, best the validation
            images. Without them parity is measured on synthetic images, and the manifest says
            so.
        labels: true labels of the examples, integers ``(n,)``: then the manifest holds every
            artifact's accuracy.
        calibration: training images, uint8 ``(n, height, width, 3)``, about 100: for int8 and
            int16x8, and to correct the weights of dynamic. Layers that have to stay in float are
            chosen on a quarter of them; the examples only judge.
        files: a few image files that become golden examples, at most 16.
        gate: the thresholds.
        litert: batch dimension and input of the LiteRT files.
        any_size: artifacts take images of any size and resize them in the graph, by the rule of
            training. Of the quantised ones float16 alone can.
        overwrite: replace a bundle that is there; a folder that holds anything else is left.
        details: JSON data for manifest and card; ``backbone``, ``licence``,
            ``weights_sha256``, ``data_fingerprint``, ``metrics``, ``versions`` and
            ``training`` have places of their own.
        progress: called with a short text as each step begins.

    Returns:
        The bundle.

    Raises:
        ConfigurationError: an argument cannot be.
        ExportError: a conversion failed or crashed; the message names the step.
        ParityError: an artifact did not pass the gate; nothing is written.
        MissingExtraError: a converter or runtime is not installed.
    """
    gate.validate()
    names = arguments.check_class_names(class_names)
    chosen, quantized = arguments.check_formats(formats, quantize, calibration)
    arguments.check_litert(litert, chosen, quantized)
    arguments.check_any_size(any_size, chosen, quantized)
    check_installed(chosen, to_convert=True)
    shape = networks.check_network(network, names, examples)
    arguments.check_calibration(calibration, shape)
    arguments.check_images("examples", examples, shape)
    sources, pixels = golden.read_files(files, shape[:2])
    synthetic = examples is None
    request = _Request(
        class_names=names,
        formats=chosen,
        quantize=quantized,
        shape=shape,
        inputs=synthetic_images(SYNTHETIC_EXAMPLES, shape[:2]) if examples is None else examples,
        examples="synthetic" if synthetic else "validation",
        labels=arguments.check_labels(labels, examples, len(names)),
        calibration=calibration,
        files=sources,
        file_pixels=pixels,
        gate=gate,
        litert=litert,
        any_size=any_size,
        provenance=manifest.provenance_entries(details or {}),
        versions=dict((details or {}).get("versions") or {}),
    )
    check = manifest.refuse_foreign_folder
    with atomic_folder(path, overwrite=overwrite, check=check) as folder:
        content = _export_to(folder, network, request, progress or (lambda _: None))
    return manifest.bundle_of(Path(path), content)


def _export_to(
    folder: Path, network: keras.Model, request: _Request, say: Callable[[str], None]
) -> dict[str, Any]:
    exported, reduced = networks.in_float32(network)
    say("predicting with the network")
    images = np.concatenate([request.inputs, request.file_pixels])
    reference = _predict(exported, images)
    _refuse_company(exported, images, reference, request.gate)
    facts = _convert(folder, exported, request, say)

    servable = [path for path in request.files.values() if golden.is_servable(path)]
    paths = [(format, artifact_path(format, kind)) for format, kind in request.planned]
    natives, resized = _unresized(request)
    answers = run_artifacts(folder, paths, images, servable, say, unresized=natives)
    n = len(request.inputs)
    artifacts = [
        artifact_of(
            folder,
            format,
            kind,
            reference[:n],
            answers.outputs[artifact_path(format, kind)][:n],
            request.labels,
            request.gate,
            facts["seconds"].get(step_of(format, kind)),
            facts.get(artifact_path(format, kind), {}).get("float_layers", ()),
        )
        for format, kind in request.planned
    ]
    expected = [request.class_names[row.argmax()] for row in reference[n:]]
    faults = held_names_faults(answers, request.class_names)
    faults += file_faults(answers, artifacts, len(expected), expected, {}, request.class_names)
    faults += _serving_faults(request, answers.served, reference[n:])
    if natives:
        wanted = _predict(exported, resized)
        faults += unresized_faults(
            answers.unresized, dict.fromkeys(answers.unresized, wanted), len(expected)
        )
    if faults or not all(artifact.passed for artifact in artifacts):
        report = [
            "The export was stopped: an artifact does not answer like the network, measured on "
            f"{n} {request.examples} images. Nothing was written.",
            parity.describe(artifacts, request.gate),
            *(
                f"  CAUSE   {cause}"
                for cause in diagnose(
                    folder,
                    artifacts,
                    request.inputs,
                    reference[:n],
                    {path: rows[:n] for path, rows in answers.outputs.items()},
                    request.class_names,
                    request.gate,
                )
            ),
            *(f"  FAILED  {fault}" for fault in faults),
        ]
        if any(not item.passed and item.quantization for item in artifacts):
            report.append(
                "Leave the quantisation out, calibrate on more images, or lower "
                "Gate.quantized_label_agreement (--label-agreement), which the manifest then "
                "records."
            )
        raise ParityError("\n".join(report), [vars(artifact) for artifact in artifacts])

    warn_of_few(
        artifacts, request.gate, f"{request.examples} images", len(set(reference[:n].argmax(1)))
    )
    say("writing the bundle")
    return write_bundle(
        folder,
        artifacts=artifacts,
        class_names=request.class_names,
        shape=request.shape,
        gate=request.gate,
        inputs=request.inputs,
        reference=reference,
        outputs=answers.outputs,
        files=request.files,
        labels=request.labels,
        examples=request.examples,
        facts={
            path: {"batch": answers.facts[path]["batch"], **facts.get(path, {})}
            for _, path in paths
        },
        provenance={**request.provenance, "reduced_precision": reduced},
        training_versions=request.versions,
        any_size=request.any_size,
    )


def _refuse_company(network: keras.Model, images: Array, reference: Array, gate: Gate) -> None:
    """Refuses a network that answers of an image otherwise where others are in its batch.

    Artifacts answer for single images, and would be compared with the network's answers in batches.
    """
    if network.inputs[0].shape[0] is not None:
        return
    diff = float(np.abs(reference[:1] - _predict(network, images[:1])).max())
    # A kernel for one row may round in another way than that for many.
    if diff > max(gate.max_abs_diff, Gate().max_abs_diff):
        raise ExportError(
            "The network's answer for an image depends on the other images of its batch: alone, it "
            f"differs by {diff:.2e}. A layer computes over the batch, as BatchNormalization does "
            "in training alone."
        )


def _unresized(request: _Request) -> tuple[list[Array], Array]:
    """Images at their own size, files and probes, and the same resized as for training."""
    if not request.any_size:
        return [], request.file_pixels
    probes = probe_images(request.shape[:2])
    resized = [decode_image(probe, request.shape[:2]) for probe in probes]
    natives = [decode_full_size(path) for path in request.files.values()]
    return natives + probes, np.concatenate([request.file_pixels, np.stack(resized)])


def _predict(network: keras.Model, images: Array) -> Array:
    chunks = [
        # A chunk at a time, since float32 takes four times the memory of the images.
        network.predict(images[start : start + _CHUNK].astype(np.float32), verbose=0)
        for start in range(0, len(images), _CHUNK)
    ]
    return parity.finite(np.concatenate(chunks).astype(np.float32), "images")


def _convert(
    folder: Path, network: keras.Model, request: _Request, say: Callable[[str], None]
) -> dict[str, Any]:
    modules = networks.modules_of(network)
    with tempfile.TemporaryDirectory(prefix="kerastl-export-") as temporary:
        work = Path(temporary)
        networks.save_network(network, work / "network.keras")
        if set(CALIBRATED) & set(request.quantize) and request.calibration is not None:
            np.save(work / "calibration.npy", request.calibration)
        entry = manifest.input_entry(request.shape, vertical_pass_may_lead(), request.any_size)
        job = {
            "kind": "convert",
            "out": str(folder.resolve()),
            "shape": request.shape,
            "any_size": request.any_size,
            "class_names": request.class_names,
            "formats": [name for name in request.formats if name != "torch"],
            "quantize": request.quantize,
            "litert": vars(request.litert),
            "gate": request.gate.quantized_label_agreement,
            "modules": modules,
            "metadata": {
                "class_names": request.class_names,
                "task": manifest.TASK,
                "preprocessing": manifest.PREPROCESSING,
                "input": entry,
            },
        }
        facts = run_worker(job, work, say) if job["formats"] else {"seconds": {}}
        if "torch" in request.formats:
            # Under another backend, so in another process.
            more = run_worker({**job, "kind": "convert_torch"}, work, say, backend="torch")
            facts = {**facts, **more, "seconds": {**facts["seconds"], **more["seconds"]}}
        return facts


def _serving_faults(request: _Request, served: Array | None, reference: Array) -> list[str]:
    if served is None:
        return []
    names = [name for name, path in request.files.items() if golden.is_servable(path)]
    rows = reference[[list(request.files).index(name) for name in names]]
    diffs = np.abs(rows - served).max(axis=1)
    return [
        f"serve_bytes differs by {diff:.2e} on {name}, from file to answer"
        for name, diff in zip(names, diffs, strict=True)
        if not diff <= request.gate.max_abs_diff
    ]
