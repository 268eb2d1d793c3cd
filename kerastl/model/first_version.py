"""Runs that version 0.1.0 wrote: they have no task.json."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kerastl.files import read_json
from kerastl.inputs import Image, Input, Text
from kerastl.outputs import Classes, Output, output_named
from kerastl.task import Task

_TEXT_SETTINGS = "text.json"


def read_task(run: Path, network: Any, class_names: tuple[str, ...]) -> Task:
    """The task of a run directory: of texts where it has their settings, else of images."""
    input: Input
    output: Output = Classes(class_names)
    if (run / _TEXT_SETTINGS).exists():
        settings = dict(read_json(run / _TEXT_SETTINGS))
        # Fixed lengths are in the network itself.
        input = Text.from_run({"sentence_piece": None, "fixed_length": None, **settings}, run)
        config = {**settings, "class_names": class_names}
        config["dimensions"] = int(network.outputs[0].shape[-1])
        output = output_named(settings["kind"]).from_config(config)
    else:
        _, height, width, _ = network.inputs[0].shape
        input = Image((int(height), int(width)))
    return Task.of_one(input, output)
