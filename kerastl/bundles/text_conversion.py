"""Converts a model of texts: the worker's side of an export.

Runs in the export worker, under TensorFlow.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from kerastl.backbones import MASK_LAYER
from kerastl.bundles.bundle import artifact_path
from kerastl.bundles.text_parity import output_name
from kerastl.bundles.text_saved_model import PADDING_MASK, TOKEN_IDS, GraphTokenizer
from kerastl.errors import ConfigurationError, TokenizerError
from kerastl.files import read_json
from kerastl.graph import with_input
from kerastl.text import (
    TOKENIZER_FILE,
    SentencePieceSource,
    Tokenizer,
    check_equal,
    to_hub,
)

Step = Callable[[str], AbstractContextManager[None]]

_NO_STRINGS = "KerasHub's byte pairs give other ids in a graph than outside"


def convert(job: dict[str, Any], folder: Path, step: Step) -> dict[str, Any]:
    """Writes every artifact of a job to the folder it names.

    Args:
        job: ``out``, ``labels`` (of what kind they are), ``class_names``, ``formats``,
            ``quantize``, ``tokenizer`` (its settings), ``sentence_piece`` (the class in KerasHub,
            or None), ``metadata`` and ``modules``.
        folder: holds ``network.keras``, ``texts.json`` and, of a unigram tokenizer,
            ``sentencepiece.model``.
        step: notes that a step begins and ends.

    Returns:
        By the artifact's path what the manifest says of it; under ``tokenizer_equality`` how the
        tokenizer was proved.
    """
    with step("loading the network"):
        import keras

        from kerastl.bundles import text_saved_model

        for module in job["modules"]:
            importlib.import_module(module)
        network = keras.saving.load_model(folder / "network.keras", compile=False)
        network = with_input(network, MASK_LAYER, name=PADDING_MASK)
    out, facts = Path(job["out"]), {}
    with step("comparing tokenizers"):
        texts = read_json(folder / "texts.json")
        source = None
        if job["sentence_piece"] is not None:
            proto = (folder / "sentencepiece.model").read_bytes()
            source = SentencePieceSource(proto, job["sentence_piece"])
        in_graph, facts["tokenizer_equality"], why = _tokenizers(
            out, job["tokenizer"], source, texts
        )
    if {"saved_model", "onnx"} & set(job["formats"]):
        with step("tracing the network"):
            frozen = text_saved_model.freeze(network, output_name(job["labels"]))
    if "saved_model" in job["formats"]:
        with step("writing saved_model"):
            facts["saved_model"] = text_saved_model.write(
                frozen,
                out / "saved_model",
                job["class_names"],
                kind=job["labels"],
                tokenizer=in_graph,
            ) | {"takes_strings": in_graph is not None, "no_strings_because": why}
    if "onnx" in job["formats"]:
        facts |= _convert_onnx(job, frozen, out, step)
    if "litert" in job["formats"]:
        facts |= _convert_litert(job, network, folder, out, step)
    return facts


def _tokenizers(
    out: Path,
    settings: dict[str, Any],
    source: SentencePieceSource | None,
    texts: Sequence[str],
) -> tuple[GraphTokenizer | None, dict[str, Any], str | None]:
    """Proves the bundle's tokenizer, and makes one for the graph.

    Returns:
        The one for the graph, what was proved, and why there is none for the graph.
    """
    tokenizer = Tokenizer.from_file(
        out / TOKENIZER_FILE,
        pad_id=settings["pad_id"],
        lowercase=settings["lowercase"],
        rule=settings["rule"],
        sentence_piece=source,
    )
    try:
        hub = to_hub(tokenizer)
    except ConfigurationError as error:
        return None, {"checked": False, "reason": str(error)}, str(error)
    found = check_equal(tokenizer, hub, texts)
    equality = {"checked": True, "texts": found.texts, "ties": found.ties}
    if tokenizer.kind == "byte_pair":
        return None, equality, _NO_STRINGS
    in_graph = GraphTokenizer(
        hub,
        start_ids=tokenizer.start_ids,
        end_ids=tokenizer.end_ids,
        pad_id=tokenizer.pad_id,
        max_length=settings["max_length"],
    )
    try:
        check_equal(tokenizer, in_graph.ids_of, texts, allow_ties=False)
    except TokenizerError as error:
        if tokenizer.kind == "word_piece":
            raise
        # Of two ways to divide a text that are as likely, rounding chooses.
        return None, equality, f"TensorFlow's own tokenizer gives other ids. {error}"
    return in_graph, equality, None


def _convert_onnx(
    job: dict[str, Any], frozen: Any, out: Path, step: Step
) -> dict[str, dict[str, Any]]:
    from kerastl.bundles import onnx_route

    path, facts = out / artifact_path("onnx"), {}
    with step("converting to onnx"):
        facts[path.name] = onnx_route.convert(
            frozen,
            path,
            job["metadata"],
            inputs={f"{name}:0": name for name in (TOKEN_IDS, PADDING_MASK)},
            outputs={frozen.outputs[0].name: output_name(job["labels"])},
            axes={1: "length"},
        )
    if "dynamic" in job["quantize"]:
        with step("converting to onnx (dynamic)"):
            smaller = out / artifact_path("onnx", "dynamic")
            _quantize_onnx(path, smaller)
            facts[smaller.name] = dict(facts[path.name])
    return facts


def _quantize_onnx(path: Path, smaller: Path) -> None:
    """Weights as 8 bits, one scale a column; activations are quantised as they come.

    ONNX Runtime takes one range of activations for a whole batch, so that a text's answer would
    depend on its company: the file says that it is run, and was proved, a text at a time.

    Unsigned weights: signed ones overflow 16 bits on processors without VNNI, so that a file proved
    on one machine would answer otherwise on another.
    """
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    logger = logging.getLogger()
    level = logger.level
    # It advises on every call to preprocess with shape inference, which the runtime does itself.
    logger.setLevel(logging.ERROR)
    try:
        quantize_dynamic(path, smaller, weight_type=QuantType.QUInt8, per_channel=True)
    finally:
        logger.setLevel(level)
    model = onnx.load(smaller)
    if not model.metadata_props:
        model.metadata_props.extend(onnx.load(path).metadata_props)
    entry = model.metadata_props.add()
    entry.key, entry.value = "batch", "1"
    onnx.save(model, smaller)


def _convert_litert(
    job: dict[str, Any], network: Any, folder: Path, out: Path, step: Step
) -> dict[str, dict[str, Any]]:
    from kerastl.bundles import litert_route, text_saved_model

    length, facts = job["tokenizer"]["max_length"], {}
    source = folder / "for_litert"
    for quantization in (None, *job["quantize"]):
        name = artifact_path("litert", quantization)
        with step(f"converting to litert ({quantization or 'float32'})"):
            if not source.exists():
                output = output_name(job["labels"])
                frozen = text_saved_model.freeze(network, output, length)
                text_saved_model.write_tokens(frozen, source, output, length)
            data = litert_route.converted(source, quantization)
            litert_route.refuse_custom_operators(data)
            (out / name).write_bytes(data)
            litert_route.append_labels(out / name, job["class_names"])
            facts[name] = {"length": length}
    return facts
