"""Class names inside artifacts that hold files: labels.txt, or one for each of several outputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kerastl.outputs import Output

LABELS = "labels.txt"
_PREFIX, _SUFFIX = "labels_", ".txt"


def names_held(outputs: Mapping[str, Output]) -> Any:
    """What an artifact's class names must be: see ``Session.class_names``."""
    if len(outputs) == 1:
        return list(next(iter(outputs.values())).class_names)
    return {
        name: list(output.class_names) for name, output in outputs.items() if output.class_names
    }


def label_files(outputs: Mapping[str, Output]) -> dict[str, str]:
    """Names and contents of the files that hold class names, one name a line."""
    held = names_held(outputs)
    if isinstance(held, list):
        held = {LABELS: held}
    else:
        held = {f"{_PREFIX}{name}{_SUFFIX}": names for name, names in held.items()}
    return {file: "".join(f"{name}\n" for name in names) for file, names in held.items()}


def read_label_files(files: Mapping[str, str]) -> Any:
    """Class names out of what ``label_files`` gave; files of other names are ignored."""
    if LABELS in files:
        return files[LABELS].split("\n")[:-1]
    return {
        file.removeprefix(_PREFIX).removesuffix(_SUFFIX): content.split("\n")[:-1]
        for file, content in files.items()
        if file.startswith(_PREFIX)
    }
