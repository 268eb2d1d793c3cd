"""Answers images or texts with the OpenVINO model of a kerastl bundle.

pip install openvino numpy pillow (images) tokenizers (texts)
python run_openvino.py BUNDLE photo.jpg [more.png ...] [--json]
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bundle_io import Run, main


def open_artifact(bundle: Path, manifest: dict, read: Any, quantization: str | None) -> Run:
    """Loads the model."""
    import openvino

    # Left to itself, OpenVINO computes in 16 bits on processors that can.
    model = openvino.Core().compile_model(
        str(bundle / "model_openvino" / "model.xml"), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )
    names = [entry["name"] for entry in manifest["outputs"]]

    def run(feeds: dict) -> dict:
        found = model(feeds)
        return {name: found[name] for name in names}

    return run


if __name__ == "__main__":
    main(__doc__ or "", open_artifact)
