"""The model card of a bundle: Hugging Face front matter and plain English."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from kerastl.bundles.runners import FOLDER as RUNNERS
from kerastl.formats import FORMATS
from kerastl.formats.labels import label_files
from kerastl.formats.pairs import pair_of
from kerastl.metrics import wilson_interval
from kerastl.task import Task


def render(manifest: Mapping[str, Any], task: Task) -> str:
    """The card of a bundle as Markdown."""
    sections = [
        _front_matter(manifest, task),
        _intended_use(manifest, task),
        _running(manifest, task),
        _artifacts(manifest, task),
        _metrics(manifest, task),
        _provenance(manifest),
        _limits(manifest, task),
    ]
    return "\n\n".join(sections) + "\n"


def _formats(manifest: Mapping[str, Any]) -> list[str]:
    return list(dict.fromkeys(entry["format"] for entry in manifest["artifacts"]))


def _front_matter(manifest: Mapping[str, Any], task: Task) -> str:
    lines = ["---"]
    if manifest.get("licence"):
        # JSON strings are YAML strings, quotes and all.
        lines.append(f"license: {json.dumps(str(manifest['licence']), ensure_ascii=False)}")
    tags = [tag for output in task.outputs.values() for tag in output.hub_tags(task.input.kind)]
    if len(task.outputs) == 1:
        # The hub knows no pipeline of several answers.
        lines.append(f"pipeline_tag: {tags[0]}")
    libraries = [FORMATS[name].hub_library for name in _formats(manifest)]
    lines += ["tags:", *(f"- {tag}" for tag in dict.fromkeys([*tags, "kerastl", *libraries]))]
    lines.append("---")
    return "\n".join(lines)


def _intended_use(manifest: Mapping[str, Any], task: Task) -> str:
    backbone = manifest.get("backbone")
    origin = f" It was trained on top of {_code(backbone)}." if backbone else ""
    noun, nouns = task.input.noun, task.input.nouns
    if len(task.outputs) == 1:
        return f"# {task.only.title(noun)}\n\n{task.only.use(noun, nouns, origin)}"
    parts = [
        f"- {_code(name)}: {output.use(noun, nouns, '')}" for name, output in task.outputs.items()
    ]
    title = f"# {len(task.outputs)} answers to {nouns}"
    lead = f"This model gives {len(task.outputs)} answers to each {noun}.{origin}"
    return "\n\n".join([title, lead, "\n".join(parts)])


def _running(manifest: Mapping[str, Any], task: Task) -> str:
    outputs = [*task.outputs]
    held = [_code(name) for name, content in label_files(task.outputs).items() if content]
    classes = f" Class names are in {_and(held)}, in the order of the columns." if held else ""
    lines = [
        "## How to run it",
        "",
        f"{task.input.how_to_feed(manifest)} The artifacts answer with {_and(map(_code, outputs))}."
        f"{classes} The scripts in `{RUNNERS}/` do all of this and need neither Keras nor kerastl:",
        "",
        "```",
    ]
    for name in _formats(manifest):
        script, runtime = FORMATS[name].runner
        pair = pair_of(task.input.kind, name)
        more = [] if pair is None else [module.replace("_", "-") for module in pair.packages]
        lines += [
            f"pip install {' '.join([runtime, *more, *task.input.runner_packages])}",
            f"python BUNDLE/{RUNNERS}/{script} BUNDLE {task.input.runner_example}",
        ]
    lines.append("```")
    if len(outputs) == 1 and task.only.names_one_class:
        outputs.append("label")
    for entry in manifest["artifacts"]:
        notes = task.input.notes_on(entry, _and(map(_code, outputs)))
        lines += [line for text in notes for line in ("", text)]
    lines += ["", "`kerastl verify BUNDLE` proves every file again, by hash and by answer."]
    return "\n".join(lines)


def _artifacts(manifest: Mapping[str, Any], task: Task) -> str:
    examples = manifest["parity_examples"]
    # Of what a network was trained on its accuracy promises too much.
    accuracy = "accuracy on training data" if examples["kind"] == "training" else "accuracy"
    lines = [
        "## Artifacts",
        "",
        f"Each was run in its own runtime on {examples['n']} {examples['kind']} "
        f"{task.input.nouns} and compared with the Keras network.",
        "",
        f"| file | format | quantisation | MB | largest difference | agreement | {accuracy} |",
        "|---|---|---|---|---|---|---|",
    ]
    for entry in manifest["artifacts"]:
        parity, accuracy = entry["parity"], entry["accuracy"]
        lines.append(
            f"| `{entry['path']}` | {FORMATS[entry['format']].title} | "
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


def _metrics(manifest: Mapping[str, Any], task: Task) -> str:
    examples, metrics = manifest["parity_examples"], manifest["metrics"]
    lines = ["## Metrics", ""]
    accuracy = examples["network_accuracy"]
    estimate = (manifest.get("training") or {}).get("estimate")
    if estimate is not None:
        lines += [estimate["sentence"], ""]
    if accuracy is not None and examples["kind"] == "training":
        lines += [
            f"Accuracy of the network on {examples['n']} {task.input.nouns} that it was trained "
            f"on, which says little of others: {accuracy:.4f}.",
            "",
        ]
    elif accuracy is not None:
        low, high = wilson_interval(round(accuracy * examples["n"]), examples["n"])
        lines.append(
            f"Accuracy of the network on the {examples['n']} {examples['kind']} "
            f"{task.input.nouns}: {accuracy:.4f} (95 % Wilson interval {low:.4f} to {high:.4f})."
        )
    lines += [f"- {_code(name)}: {_value(value)}" for name, value in metrics.items()]
    if accuracy is None and not metrics:
        lines.append("None were given at export: how well the network does is not known here.")
    return "\n".join(lines)


def _provenance(manifest: Mapping[str, Any]) -> str:
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
            f"{_count(phase.get('epochs'), 'epoch')}, learning rate {phase.get('learning_rate')}, "
            f"{phase.get('trainable_parameters')} parameters, "
            f"{_count(phase.get('train_examples'), 'example')}"
        )
    return "\n".join(["## Data and provenance", "", *lines, f"- Versions: {names}"])


def _limits(manifest: Mapping[str, Any], task: Task) -> str:
    lines = ["## Limits", ""]
    if manifest["parity_examples"]["kind"] not in ("validation", "training"):
        lines.append(
            f"- Parity was measured on {manifest['parity_examples']['kind']} {task.input.nouns}, "
            "since none were given."
        )
    kinds = {entry["kind"] for entry in manifest["outputs"]}
    if "scores" in kinds:
        lines.append("- The outputs are scores, not probabilities: they do not sum to 1.")
    if "independent" in kinds:
        lines.append("- The probabilities do not sum to 1: each is of its class alone.")
    if manifest.get("reduced_precision"):
        lines.append(
            f"- The network was trained under {_code(manifest['reduced_precision'])}; the "
            "artifacts are proved against its float32 clone."
        )
    if any(entry["quantization"] for entry in manifest["artifacts"]):
        lines.append("- Quantised files answer slightly differently; the table says how much.")
    lines += [f"- {line}" for line in task.input.caveats(manifest)]
    noun, nouns = task.input.noun, task.input.nouns
    said = [line for output in task.outputs.values() for line in output.caveats(noun, nouns)]
    lines += [f"- {line}" for line in dict.fromkeys(said)]
    return "\n".join(lines)


def _count(number: Any, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _and(parts: Iterable[str]) -> str:
    *others, last = parts
    return f"{', '.join(others)} and {last}" if others else last


def _code(text: Any) -> str:
    return "`" + str(text).replace("`", "'") + "`"


def _value(value: Any) -> str:
    if isinstance(value, dict | list):
        return _code(json.dumps(value, ensure_ascii=False))
    return f"{value:.4g}" if isinstance(value, float) else _code(value)
