"""The model card of a bundle: Hugging Face front matter and plain English."""

from __future__ import annotations

import json
from typing import Any

from kerastl.bundles import text_card
from kerastl.bundles.text_parity import EMBEDDING
from kerastl.metrics import wilson_interval

_RUNNERS = {
    "saved_model": ("run_saved_model.py", "tensorflow pillow numpy"),
    "onnx": ("run_onnx.py", "onnxruntime pillow numpy"),
    "litert": ("run_litert.py", "ai-edge-litert pillow numpy"),
    "openvino": ("run_openvino.py", "openvino pillow numpy"),
    "torch": ("run_torch.py", "torch pillow numpy"),
}
_TITLES = {
    "saved_model": "SavedModel",
    "onnx": "ONNX",
    "litert": "LiteRT",
    "openvino": "OpenVINO",
    "torch": "PyTorch",
}
_HUB_LIBRARIES = {
    "saved_model": "tensorflow",
    "onnx": "onnx",
    "litert": "tflite",
    "openvino": "openvino",
    "torch": "pytorch",
}


def render(manifest: dict[str, Any]) -> str:
    """The card as Markdown, from a manifest of images or of texts."""
    of_texts = _of_texts(manifest)
    backbone = manifest.get("backbone")
    origin = f" It was trained on top of {_code(backbone)}." if backbone else ""
    sections = [
        _front_matter(manifest),
        text_card.intended_use(manifest, origin) if of_texts else _intended_use(manifest, origin),
        text_card.running(manifest) if of_texts else _running(manifest),
        _artifacts(manifest),
        _metrics(manifest),
        _provenance(manifest),
        _limits(manifest),
    ]
    return "\n\n".join(sections) + "\n"


def _of_texts(manifest: dict[str, Any]) -> bool:
    return bool(manifest["task"].startswith("text"))


def _of_vectors(manifest: dict[str, Any]) -> bool:
    return bool(manifest.get("kind") == EMBEDDING)


def _noun(manifest: dict[str, Any]) -> str:
    return "texts" if _of_texts(manifest) else "images"


def _front_matter(manifest: dict[str, Any]) -> str:
    formats = list(dict.fromkeys(entry["format"] for entry in manifest["artifacts"]))
    lines = ["---"]
    if manifest.get("licence"):
        # JSON strings are YAML strings, quotes and all.
        lines.append(f"license: {json.dumps(str(manifest['licence']), ensure_ascii=False)}")
    tags = [manifest["task"].replace("_", "-")]
    if _of_vectors(manifest):
        # The hub's names for it.
        tags = ["sentence-similarity", "feature-extraction"]
    lines += [f"pipeline_tag: {tags[0]}", "tags:", *(f"- {tag}" for tag in tags)]
    lines += ["- kerastl", *(f"- {_HUB_LIBRARIES[name]}" for name in formats), "---"]
    return "\n".join(lines)


def _intended_use(manifest: dict[str, Any], origin: str) -> str:
    names = manifest["class_names"]
    return f"""# Image classifier: {len(names)} classes

This model sorts images into {len(names)} classes: {", ".join(_code(name) for name in names)}.\
{origin} It always answers with one of these classes, also for an image that shows none of them. \
Use it on images like those it was trained on, and measure it on your own before you rely on it; \
do not let it decide alone about people."""


def _running(manifest: dict[str, Any]) -> str:
    height, width = manifest["input"]["resize"]["size"]
    lines = [
        "## How to run it",
        "",
        f"The input `image` is float32 `(batch, {height}, {width}, 3)`: RGB, 0 to 255, no other "
        "preprocessing. A file is decoded with its EXIF orientation applied and transparency on "
        f"white, then stretched to {width} x {height} pixels (Pillow's antialiased bilinear "
        "filter). The output `probabilities` has one column per line of `labels.txt`. The runner "
        "scripts do all of this and need neither Keras nor kerastl:",
        "",
        "```",
    ]
    formats = list(dict.fromkeys(entry["format"] for entry in manifest["artifacts"]))
    for name in formats:
        script, packages = _RUNNERS[name]
        lines += [f"pip install {packages}", f"python {script} BUNDLE photo.jpg"]
    lines.append("```")
    if "saved_model" in formats:
        lines += [
            "",
            "The SavedModel's signature `serve_bytes` takes encoded JPEG or PNG strings "
            "as `image_bytes` and returns `probabilities` and `label`.",
        ]
    lines += ["", "`kerastl verify BUNDLE` proves every file again, by hash and by answer."]
    return "\n".join(lines)


def _artifacts(manifest: dict[str, Any]) -> str:
    examples = manifest["parity_examples"]
    right = "agreement | |" if _of_vectors(manifest) else "label agreement | accuracy |"
    lines = [
        "## Artifacts",
        "",
        f"Each was run in its own runtime on {examples['n']} {examples['kind']} "
        f"{_noun(manifest)} and "
        "compared with the Keras network.",
        "",
        f"| file | format | quantisation | MB | largest difference | {right}",
        "|---|---|---|---|---|---|---|",
    ]
    for entry in manifest["artifacts"]:
        parity, accuracy = entry["parity"], entry["accuracy"]
        lines.append(
            f"| `{entry['path']}` | {_TITLES[entry['format']]} | "
            f"{entry['quantization'] or 'none'} | {entry['bytes'] / 1e6:.2f} | "
            f"{parity['max_abs_diff']:.1e} | {parity['label_agreement']:.4f} | "
            f"{'' if accuracy is None else f'{accuracy:.4f}'} |"
        )
    kept = [entry for entry in manifest["artifacts"] if entry.get("float_layers")]
    if kept:
        lines += [
            "",
            "Layers whose weights stayed in float, since quantising them changed too many labels "
            "of blended calibration images (none of those that the table is measured on):",
            "",
        ]
    for entry in kept:
        names = ", ".join(_code(name) for name in entry["float_layers"])
        lines.append(
            f"- `{entry['path']}`: {names}; {entry['float_share_of_weights']:.1%} of the weights"
        )
    return "\n".join(lines)


def _metrics(manifest: dict[str, Any]) -> str:
    examples, metrics = manifest["parity_examples"], manifest["metrics"]
    lines = ["## Metrics", ""]
    accuracy = examples["network_accuracy"]
    if accuracy is not None:
        low, high = wilson_interval(round(accuracy * examples["n"]), examples["n"])
        lines.append(
            f"Accuracy of the network on the {examples['n']} {examples['kind']} "
            f"{_noun(manifest)}: "
            f"{accuracy:.4f} (95 % Wilson interval {low:.4f} to {high:.4f})."
        )
    lines += [f"- {_code(name)}: {_value(value)}" for name, value in metrics.items()]
    if accuracy is None and not metrics:
        lines.append("None were given at export: how well the network does is not known here.")
    return "\n".join(lines)


def _provenance(manifest: dict[str, Any]) -> str:
    rows = {
        "Backbone": manifest.get("backbone"),
        "Licence of its weights": manifest.get("licence"),
        "SHA-256 of its weights": manifest.get("weights_sha256"),
        "Fingerprint of the data": manifest.get("data_fingerprint"),
        **manifest.get("details", {}),
    }
    lines = [f"- {name}: {_value(value)}" for name, value in rows.items() if value is not None]
    versions = manifest["versions"]
    # What training used is told only where it is not what exported.
    names = ", ".join(
        f"{name} {version}"
        for name, version in versions.items()
        if versions.get(name.removeprefix("training:")) != version or ":" not in name
    )
    training = manifest.get("training") or {}
    for phase in training.get("phases", ()):
        lines.append(
            f"- Phase {_value(phase.get('name'))}: from {_value(phase.get('boundary'))} on, "
            f"{phase.get('epochs')} epochs, learning rate {phase.get('learning_rate')}, "
            f"{phase.get('trainable_parameters')} parameters, "
            f"{phase.get('train_examples')} examples"
        )
    return "\n".join(["## Data and provenance", "", *lines, f"- Versions: {names}"])


def _limits(manifest: dict[str, Any]) -> str:
    lines = ["## Limits", ""]
    if manifest["parity_examples"]["kind"] == "synthetic":
        lines.append("- Parity was measured on synthetic images, since none were given.")
    if manifest["outputs"][0]["kind"] == "scores":
        lines.append("- The outputs are scores, not probabilities: they do not sum to 1.")
    if manifest.get("reduced_precision"):
        lines.append(
            f"- The network was trained under {_code(manifest['reduced_precision'])}; the "
            "artifacts are proved against its float32 clone."
        )
    if any(entry["quantization"] for entry in manifest["artifacts"]):
        lines.append("- Quantised files answer slightly differently; the table says how much.")
    if _of_texts(manifest):
        lines += text_card.limits(manifest)
    elif any(entry["format"] == "saved_model" for entry in manifest["artifacts"]):
        limits = "; ".join(manifest["input"]["serve_bytes_limits"])
        lines.append(f"- `serve_bytes`: {limits}.")
    lines.append(
        "- A cosine is no probability: 0.5 does not mean that two texts are alike half of the time."
        if _of_vectors(manifest)
        else "- A probability is not a certainty: its calibration was not measured here."
    )
    return "\n".join(lines)


def _code(text: Any) -> str:
    return "`" + str(text).replace("`", "'") + "`"


def _value(value: Any) -> str:
    if isinstance(value, dict | list):
        return _code(json.dumps(value, ensure_ascii=False))
    return f"{value:.4g}" if isinstance(value, float) else _code(value)
