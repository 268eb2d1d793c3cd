"""Answers images or texts with the ONNX file of a kerastl bundle.

pip install onnxruntime numpy pillow (images) tokenizers (texts)
python run_onnx.py BUNDLE photo.jpg [more.png ...] [--quantization dynamic] [--json]
python run_onnx.py BUNDLE "a text" ["another" ...] [--lines FILE]
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bundle_io import Run, main


def open_artifact(bundle: Path, manifest: dict, read: Any, quantization: str | None) -> Run:
    """Loads the file."""
    import onnxruntime

    name = f"model_{quantization}.onnx" if quantization else "model.onnx"
    session = onnxruntime.InferenceSession(str(bundle / name), providers=["CPUExecutionProvider"])
    names = [item.name for item in session.get_outputs()]
    return lambda feeds: dict(zip(names, session.run(names, feeds), strict=True))


if __name__ == "__main__":
    main(__doc__ or "", open_artifact, ("dynamic",))
