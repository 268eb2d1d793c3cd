"""What the model card of a text bundle says in words of its own."""

from __future__ import annotations

from typing import Any

_RUNNERS = {
    "saved_model": ("run_text_saved_model.py", "tensorflow tensorflow-text tokenizers numpy"),
    "onnx": ("run_text_onnx.py", "onnxruntime tokenizers numpy"),
    "litert": ("run_text_litert.py", "ai-edge-litert tokenizers numpy"),
}


def intended_use(manifest: dict[str, Any], origin: str) -> str:
    """What the model does, and what it should not be used for.

    Args:
        manifest: of the bundle.
        origin: a sentence on the backbone, or nothing.
    """
    names = ", ".join(f"`{name}`" for name in manifest["class_names"])
    count = len(manifest["class_names"])
    if manifest["kind"] == "embedding":
        return _vectors(manifest, origin)
    if manifest["kind"] == "regression":
        title, does = "Regression on texts", "This model gives a text a number."
    elif manifest["kind"] == "multi_label":
        title = f"Text classifier: {count} classes, any number a text"
        does = (
            f"This model gives a text any number of {count} classes: {names}. Each has a threshold "
            "of its own, in `manifest.json`."
        )
    else:
        title = f"Text classifier: {count} classes"
        does = (
            f"This model sorts texts into {count} classes: {names}. It always answers with one of "
            "these, also for a text that belongs to none."
        )
    return f"""# {title}

{does}{origin} Use it on texts like those it was trained on, in the same language, and measure it \
on your own before you rely on it; do not let it decide alone about people."""


def _vectors(manifest: dict[str, Any], origin: str) -> str:
    size = manifest["outputs"][0]["shape"][1]
    return f"""# Text embedding: {size} dimensions

This model turns a text into a vector of {size} numbers and length 1: the dot product of two such \
vectors is their cosine, and says how alike two texts are. It is made for search by meaning, for \
grouping texts and for finding duplicates.{origin} Use it on texts like those it was trained on, \
in the same language; what cosine means "alike" differs from model to model, so choose the limit \
on texts of your own."""


def running(manifest: dict[str, Any]) -> str:
    """How the bundle is run."""
    tokenizer = manifest["tokenizer"]
    lines = [
        "## How to run it",
        "",
        "A text is divided into tokens by `tokenizer.json` (package `tokenizers`), cut to "
        f"{tokenizer['max_length']} tokens with the start tokens {tokenizer['start_ids']} and the "
        f"end tokens {tokenizer['end_ids']}, and filled up on the right with "
        f"{tokenizer['pad_id']}. The ONNX and LiteRT files take `token_ids` and `padding_mask` "
        "(1 where a token is no filling), int32 `(batch, length)` each, and answer with "
        f"`{manifest['outputs'][0]['name']}`. The runner scripts do all of this and need neither "
        "Keras nor kerastl:",
        "",
        "```",
    ]
    formats = list(dict.fromkeys(entry["format"] for entry in manifest["artifacts"]))
    for name in formats:
        script, packages = _RUNNERS[name]
        lines += [f"pip install {packages}", f'python {script} BUNDLE "a text"']
    lines.append("```")
    for entry in manifest["artifacts"]:
        if entry["format"] == "saved_model":
            lines += ["", _saved_model(entry, manifest)]
        elif entry["format"] == "litert" and entry["quantization"] is None:
            lines += [
                "",
                f"LiteRT files take texts of exactly {entry['length']} tokens, filled up.",
            ]
    lines += ["", "`kerastl verify BUNDLE` proves every file again, by hash and by answer."]
    return "\n".join(lines)


def _saved_model(entry: dict[str, Any], manifest: dict[str, Any]) -> str:
    if not entry["takes_strings"]:
        return (
            "The SavedModel's one signature, `serve_tokens`, takes `token_ids` and "
            f"`padding_mask`. It takes no strings: {entry['no_strings_because']}"
        )
    label = " and `label`" if manifest["kind"] == "single_label" else ""
    return (
        "The SavedModel takes strings: `serving_default` turns `text`, a vector of UTF-8 strings, "
        f"into `{manifest['outputs'][0]['name']}`{label}; `serve_tokens` takes `token_ids` and "
        "`padding_mask`. "
        "`import tensorflow_text` before you load it: its tokenizer's operators come from there."
    )


def limits(manifest: dict[str, Any]) -> list[str]:
    """Lines on what was not proved, and of an embedding on what agreement is."""
    lines = [
        f"- What is longer than {manifest['tokenizer']['max_length']} tokens is cut: the end of a "
        "long text is not seen."
    ]
    if manifest["kind"] == "embedding":
        lines.append(f"- Agreement is the share of {manifest['agreement_of']}.")
    if manifest["parity_examples"]["kind"] == "built-in":
        lines.append(
            "- Parity was measured on sentences that kerastl holds, since none were given."
        )
    equality = manifest["tokenizer"]["equality"]
    if not equality["checked"]:
        lines.append(f"- The tokenizer was not compared with KerasHub's: {equality['reason']}")
    return lines
