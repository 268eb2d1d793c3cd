"""Answers images or texts with a LiteRT file of a kerastl bundle.

pip install ai-edge-litert numpy pillow (images) tokenizers (texts)
python run_litert.py BUNDLE photo.jpg [more.png ...] [--quantization int8] [--json]
python run_litert.py BUNDLE "a text" ["another" ...] [--lines FILE]
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from bundle_io import Run, main


def scaled(values: np.ndarray, detail: dict) -> np.ndarray:
    """Values as the file takes them: integers are steps of a scale."""
    scale, zero_point = detail["quantization"]
    if detail["dtype"] == np.float32 or not scale:
        return values.astype(detail["dtype"])
    limits = np.iinfo(detail["dtype"])
    return np.clip(np.rint(values / scale + zero_point), limits.min, limits.max).astype(
        detail["dtype"]
    )


def unscaled(values: np.ndarray, detail: dict) -> np.ndarray:
    """Values as float32."""
    if detail["dtype"] == np.float32:
        return values
    scale, zero_point = detail["quantization"]
    return (values.astype(np.float32) - zero_point) * scale


def open_artifact(bundle: Path, manifest: dict, read: Any, quantization: str | None) -> Run:
    """Loads the file."""
    from ai_edge_litert.interpreter import Interpreter

    name = f"model_{quantization}.tflite" if quantization else "model.tflite"
    interpreter = Interpreter(str(bundle / name))
    runner = interpreter.get_signature_runner("serving_default")
    taken, given = runner.get_input_details(), runner.get_output_details()
    if "token_ids" in taken:
        read.length = int(taken["token_ids"]["shape_signature"][1])

    # The interpreter has to live as long as its runner.
    def run(feeds: dict, interpreter: Any = interpreter) -> dict:
        found = runner(**{name: scaled(value, taken[name]) for name, value in feeds.items()})
        return {name: unscaled(value, given[name]) for name, value in found.items()}

    return run


if __name__ == "__main__":
    main(__doc__ or "", open_artifact, ("float16", "dynamic", "int8", "int16x8"))
