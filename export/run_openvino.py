"""Classifies images with the OpenVINO model of a kerastl bundle.

pip install openvino pillow numpy
python run_openvino.py BUNDLE photo.jpg [more.png ...] [--json]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import openvino
from PIL import Image, ImageOps


def decode(path: str, size: tuple[int, int] | None) -> np.ndarray:
    """Upright RGB on white, stretched to (height, width) if any: float32, 0 to 255."""
    image = ImageOps.exif_transpose(Image.open(path))
    if image.mode.startswith("I"):
        # 16 bits to 8; Pillow itself would cut everything above 255.
        deep = np.asarray(image).astype(np.int64).clip(0, 65535)
        image = Image.fromarray(((deep + 128) // 257).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    image = image.convert("RGB")
    if size is not None:
        image = image.resize(size[::-1], Image.Resampling.BILINEAR)
    return np.asarray(image, dtype=np.float32)


class Classifier:
    """An OpenVINO model that turns an image file into a label."""

    def __init__(self, path: Path) -> None:
        core = openvino.Core()
        model = core.read_model(str(path / "model.xml"))
        self.class_names = json.loads(model.get_rt_info(["kerastl", "class_names"]).value)
        _, height, width, _ = model.input("image").get_partial_shape()
        # Without fixed sizes the graph takes any and resizes by itself.
        fixed = height.is_static and width.is_static
        self.size = (height.get_length(), width.get_length()) if fixed else None
        # Some processors compute in 16 bits unless told not to.
        self.model = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

    def __call__(self, path: str) -> dict[str, str | float]:
        """Classifies one image file."""
        pixels = decode(path, self.size)
        probabilities = self.model({"image": pixels[None]})["probabilities"][0]
        best = int(probabilities.argmax())
        return {"label": self.class_names[best], "probability": float(probabilities[best])}


def main() -> None:
    """Reads the command line and prints one line, or one JSON object, per image."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("bundle", type=Path, help="the bundle's folder")
    parser.add_argument("images", nargs="+", help="image files")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    args = parser.parse_args()
    classify = Classifier(args.bundle / "model_openvino")
    try:
        answers = [{"input": path, **classify(path)} for path in args.images]
    except OSError as error:
        parser.exit(2, f"Cannot read an image: {error}\n")
    if args.json:
        print(json.dumps({"predictions": answers}, ensure_ascii=False))
    else:
        for answer in answers:
            print(f"{answer['input']}\t{answer['label']}\t{answer['probability']:.4f}")


if __name__ == "__main__":
    main()
