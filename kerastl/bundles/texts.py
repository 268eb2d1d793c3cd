"""``export_text``: a model of texts in, a proved bundle out, or nothing at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerastl.bundles import manifest, parity, text_golden, text_manifest
from kerastl.bundles import network as networks
from kerastl.bundles.arguments import check_choices, check_class_names
from kerastl.bundles.assembly import described, step_of
from kerastl.bundles.bundle import DEFAULT_FORMATS, Artifact, Bundle, Gate, artifact_path
from kerastl.bundles.examples import warn_of_few
from kerastl.bundles.jobs import check_installed, run_worker
from kerastl.bundles.text_diagnosis import causes
from kerastl.bundles.text_faults import faults_of, figures, probe_faults
from kerastl.bundles.text_parity import EMBEDDING, Decisions
from kerastl.bundles.text_running import TextAnswers, run_text_artifacts
from kerastl.bundles.text_vectors import cosines
from kerastl.errors import ConfigurationError, ParityError
from kerastl.files import atomic_folder, write_json
from kerastl.inputs.text_probes import PROBES, SENTENCES
from kerastl.text import TOKENIZER_FILE

if TYPE_CHECKING:
    from kerastl.model import TokenModel

Array = np.ndarray[Any, Any]

TEXT_QUANTIZATIONS = ("dynamic",)
_DEFAULT_GATE = Gate()


@dataclass(frozen=True)
class _Request:
    """The checked arguments of one export."""

    model: TokenModel
    formats: list[str]
    quantize: list[str]
    gate: Gate
    texts: tuple[str, ...]
    examples: str
    labels: Array | None
    decisions: Decisions
    details: dict[str, Any]

    @property
    def planned(self) -> list[tuple[str, str | None]]:
        """Format and quantisation of every artifact."""
        smaller = [name for name in self.formats if name in ("onnx", "litert")]
        return [
            *((name, None) for name in self.formats),
            *((name, kind) for kind in self.quantize for name in smaller),
        ]

    @property
    def probed(self) -> tuple[str, ...]:
        """What every artifact is run on: the examples, then what no data set holds."""
        return (*self.texts, *PROBES)


def export_text(
    model: TokenModel,
    path: str | os.PathLike[str],
    *,
    formats: Sequence[str] = DEFAULT_FORMATS,
    quantize: Sequence[str] = (),
    gate: Gate = _DEFAULT_GATE,
    overwrite: bool = False,
    progress: Callable[[str], None] | None = None,
) -> Bundle:
    """Exports a model of texts and proves that every artifact answers like it, from the string on.

    Args:
        model: a trained model; its samples are what parity is measured on, or, without any,
            sentences that kerastl holds, and the manifest says which.
        path: the folder to make; it appears whole or not at all.
        formats: any of ``"saved_model"`` (takes strings where its tokenizer is WordPiece),
            ``"onnx"`` and ``"litert"`` (take token ids and a mask).
        quantize: ``"dynamic"``: an ONNX and a LiteRT file beside the float32 ones, with weights of
            8 bits.
        gate: the thresholds. Of several labels a text, agreement is that of the single decisions;
            of a regression, that of numbers within 5 % of the spread; of an embedding, that of
            vectors near the network's own and to no other text's nearer.
        overwrite: replace a bundle that is there; a folder that holds anything else is left.
        progress: called with a short text as each step begins.

    Returns:
        The bundle.

    Raises:
        ConfigurationError: an argument cannot be.
        ExportError: a conversion failed, or the tokenizer does not give KerasHub's ids; the
            message names the step.
        ParityError: an artifact did not pass the gate; nothing is written.
        MissingExtraError: a converter or runtime is not installed.
    """
    request = _checked(model, formats, quantize, gate)
    check = manifest.refuse_foreign_folder
    with atomic_folder(path, overwrite=overwrite, check=check) as folder:
        content = _export_to(folder, request, progress or (lambda _: None))
    return manifest.bundle_of(Path(path), content)


def _checked(
    model: TokenModel, formats: Sequence[str], quantize: Sequence[str], gate: Gate
) -> _Request:
    gate.validate()
    names = check_class_names(model.class_names)
    chosen = check_choices("formats", formats, DEFAULT_FORMATS)
    quantized = check_choices("quantize", quantize, TEXT_QUANTIZATIONS)
    if not chosen:
        raise ConfigurationError(f"formats is empty; allowed are {DEFAULT_FORMATS}.")
    if quantized and not {"onnx", "litert"} & set(chosen):
        raise ConfigurationError(
            f"quantize={quantized} makes ONNX and LiteRT files, and formats={chosen} has neither "
            "'onnx' nor 'litert'. Add one."
        )
    decisions = decisions_of_model(model)
    outputs = model.network.outputs[0].shape
    if len(outputs) != 2 or outputs[1] != decisions.outputs:
        raise ConfigurationError(
            f"The network's output has the shape {tuple(outputs)}, and the model {len(names)} "
            "class names: one for each output, and none for a regression."
        )
    check_installed(chosen, to_convert=True, of_texts=True)
    samples = model.samples if model.samples is not None and model.samples.texts else None
    details = dict(model.details())
    recipe = dict(details.get("training", {}).get("recipe", {}))
    if recipe.get("tokenizer") is not None:
        # The folders of this machine stay here.
        recipe["tokenizer"] = Path(str(recipe["tokenizer"])).name
        details["training"] = {**details["training"], "recipe": recipe}
    return _Request(
        model=model,
        formats=chosen,
        quantize=quantized,
        gate=gate,
        texts=SENTENCES if samples is None else tuple(samples.texts),
        examples="built-in" if samples is None else "validation",
        labels=None if samples is None else samples.labels,
        decisions=decisions,
        details=details,
    )


def decisions_of_model(model: TokenModel) -> Decisions:
    """What the outputs of a model of texts mean."""
    settings, names = model.settings(), tuple(model.class_names)
    kind, thresholds = settings["kind"], settings.get("thresholds")
    if kind == EMBEDDING:
        return Decisions(kind, (), dimensions=model.network.outputs[0].shape[-1])
    if kind == "multi_label":
        thresholds = tuple(float(value) for value in thresholds or (0.5,) * len(names))
    return Decisions(kind, names, thresholds)


def _export_to(folder: Path, request: _Request, say: Callable[[str], None]) -> dict[str, Any]:
    # Reading and verifying a bundle needs no Keras.
    from kerastl.model import predict_tokens
    from kerastl.training import sort_tokens

    model, n = request.model, len(request.texts)
    network, reduced = networks.in_float32(model.network)
    say("predicting with the network")
    encoded = model.tokenizer.encode(request.probed, model.max_length)
    examples = sort_tokens(encoded.ids, {}, pad_id=model.tokenizer.pad_id)
    reference = parity.finite(predict_tokens(network, examples), "texts")
    model.tokenizer.save(folder / TOKENIZER_FILE)
    tokenizer = text_manifest.tokenizer_entry(model)
    facts = _convert(folder, network, tokenizer, request, say)
    tokenizer["equality"] = facts.pop("tokenizer_equality")

    paths = [(format, artifact_path(format, kind)) for format, kind in request.planned]
    answers = run_text_artifacts(folder, paths, tokenizer, request.probed, say)
    artifacts = [
        _measured(folder, request, format, kind, reference[:n], answers, facts["seconds"])
        for format, kind in request.planned
    ]
    faults = faults_of(answers, artifacts, request.decisions, request.gate)
    faults += probe_faults(
        PROBES,
        reference[n:],
        {path: values[n:] for path, values in answers.outputs.items()},
        artifacts,
        request.decisions,
        request.gate,
    )
    if faults or not all(artifact.passed for artifact in artifacts):
        raise _parity_error(request, reference[:n], answers, artifacts, faults)

    warn_of_few(artifacts, request.gate, f"{request.examples} texts", None)
    say("writing the bundle")
    text_golden.write(
        folder,
        text_golden.chosen(request.probed, n),
        request.probed,
        encoded.ids,
        model.tokenizer,
        {"network": reference, **answers.outputs},
        request.decisions,
    )
    return text_manifest.write(
        folder,
        model=model,
        tokenizer=tokenizer,
        decisions=request.decisions,
        artifacts=artifacts,
        gate=request.gate,
        examples=request.examples,
        reference=reference[:n],
        labels=request.labels,
        facts={
            path: {
                "batch": answers.facts[path]["batch"],
                **facts.get(path, {}),
                **_nearness(request.decisions, reference[:n], answers.outputs[path][:n]),
            }
            for _, path in paths
        },
        details=request.details,
        reduced=reduced,
    )


def _nearness(decisions: Decisions, reference: Array, outputs: Array) -> dict[str, float]:
    """What the manifest says of an embedding's artifact besides its agreement."""
    if decisions.kind != EMBEDDING:
        return {}
    return {"least_cosine": float(cosines(reference, outputs).min())}


def _convert(
    folder: Path,
    network: Any,
    tokenizer: dict[str, Any],
    request: _Request,
    say: Callable[[str], None],
) -> dict[str, Any]:
    names = list(request.decisions.class_names)
    with tempfile.TemporaryDirectory(prefix="kerastl-export-") as temporary:
        work = Path(temporary)
        networks.save_network(network, work / "network.keras")
        write_json(work / "texts.json", list(request.probed))
        source = request.model.tokenizer.sentence_piece
        if source is not None:
            (work / "sentencepiece.model").write_bytes(source.proto)
        metadata = {
            "class_names": names,
            "task": text_manifest.task_of(request.decisions.kind),
            "kind": request.decisions.kind,
            "thresholds": request.decisions.thresholds,
            "preprocessing": text_manifest.PREPROCESSING,
            "input": text_manifest.INPUT,
            "tokenizer": tokenizer,
        }
        job = {
            "kind": "convert_text",
            "labels": request.decisions.kind,
            "out": str(folder.resolve()),
            "class_names": names,
            "formats": request.formats,
            "quantize": request.quantize,
            "tokenizer": tokenizer,
            "sentence_piece": None if source is None else source.tokenizer,
            "modules": networks.modules_of(network),
            "metadata": metadata,
        }
        return run_worker(job, work, say)


def _measured(
    folder: Path,
    request: _Request,
    format: str,
    quantization: str | None,
    reference: Array,
    answers: TextAnswers,
    seconds: dict[str, float],
) -> Artifact:
    outputs = answers.outputs[artifact_path(format, quantization)][: len(reference)]
    return described(
        folder,
        format,
        quantization,
        **figures(request.decisions, request.gate, quantization, reference, outputs),
        accuracy=request.decisions.accuracy(request.labels, outputs),
        seconds=seconds.get(step_of(format, quantization)),
    )


def _parity_error(
    request: _Request,
    reference: Array,
    answers: TextAnswers,
    artifacts: Sequence[Artifact],
    faults: Sequence[str],
) -> ParityError:
    names = request.decisions.class_names
    rows = {path: values[: len(reference)] for path, values in answers.outputs.items()}
    report = [
        "The export was stopped: an artifact does not answer like the network, measured on "
        f"{len(request.texts)} {request.examples} texts. Nothing was written.",
        parity.describe(artifacts, request.gate),
        *(f"  CAUSE   {cause}" for cause in causes(artifacts, reference, rows, names)),
        *(f"  FAILED  {fault}" for fault in faults),
    ]
    if any(not item.passed and item.quantization for item in artifacts):
        report.append(
            "Leave the quantisation out, or lower Gate.quantized_label_agreement "
            "(--label-agreement), which the manifest then records."
        )
    return ParityError("\n".join(report), [vars(artifact) for artifact in artifacts])
