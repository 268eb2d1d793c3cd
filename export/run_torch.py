"""Classifies images with the torch.export program of a kerastl bundle.

pip install torch pillow numpy
python run_torch.py BUNDLE photo.jpg [more.png ...] [--json]

Reading such a file can run code that is in it: run only what you made or trust.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps


def decode(path: str, size: tuple[int, int]) -> np.ndarray:
    """Upright RGB on white, stretched to (height, width): float32, 0 to 255."""
    image = ImageOps.exif_transpose(Image.open(path))
    if image.mode.startswith("I"):
        # 16 bits to 8; Pillow itself would cut everything above 255.
        deep = np.asarray(image).astype(np.int64).clip(0, 65535)
        image = Image.fromarray(((deep + 128) // 257).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    image = image.convert("RGB").resize(size[::-1], Image.Resampling.BILINEAR)
    return np.asarray(image, dtype=np.float32)


class Classifier:
    """A program of torch.export that turns an image file into a label."""

    def __init__(self, path: Path) -> None:
        extra = {"class_names": "", "input": ""}
        self.module = torch.export.load(path, extra_files=extra).module()
        self.class_names = json.loads(extra["class_names"])
        self.size = tuple(json.loads(extra["input"])["resize"]["size"])

    def __call__(self, path: str) -> dict[str, str | float]:
        """Classifies one image file."""
        pixels = decode(path, self.size)
        with torch.no_grad():
            outputs = self.module(image=torch.tensor(pixels[None]))
        probabilities = outputs["probabilities"][0].numpy()
        best = int(probabilities.argmax())
        return {"label": self.class_names[best], "probability": float(probabilities[best])}


def main() -> None:
    """Reads the command line and prints one line, or one JSON object, per image."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("bundle", type=Path, help="the bundle's folder")
    parser.add_argument("images", nargs="+", help="image files")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    args = parser.parse_args()
    classify = Classifier(args.bundle / "model.pt2")
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
