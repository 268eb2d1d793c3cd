"""Classifies images with a LiteRT file of a kerastl bundle.

pip install ai-edge-litert pillow numpy
python run_litert.py BUNDLE photo.jpg [more.png ...] [--quantization int8] [--json]
"""

from __future__ import annotations

import argparse
import json
import zipfile
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter
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
    """A LiteRT file that turns an image file into a label."""

    def __init__(self, path: Path) -> None:
        self.interpreter = Interpreter(str(path))
        self.interpreter.allocate_tensors()
        self.input = self.interpreter.get_input_details()[0]
        self.output = self.interpreter.get_output_details()[0]
        # The labels lie in a zip archive at the end of the model's own file.
        with zipfile.ZipFile(path) as archive:
            self.class_names = archive.read("labels.txt").decode("utf-8").split("\n")[:-1]
        _, height, width, _ = (int(size) for size in self.input["shape_signature"])
        # -1: the graph takes any size and resizes by itself.
        self.size = (height, width) if height > 0 else None

    def __call__(self, path: str) -> dict[str, str | float]:
        """Classifies one image file."""
        image = decode(path, self.size)[None]
        dtype = self.input["dtype"]
        if dtype != np.float32:
            scale, zero_point = self.input["quantization"]
            limits = np.iinfo(dtype)
            image = np.clip(np.rint(image / scale + zero_point), limits.min, limits.max)
        if self.size is None:
            self.interpreter.resize_tensor_input(self.input["index"], image.shape)
            self.interpreter.allocate_tensors()
        self.interpreter.set_tensor(self.input["index"], image.astype(dtype))
        self.interpreter.invoke()
        outputs = self.interpreter.get_tensor(self.output["index"])
        if self.output["dtype"] != np.float32:
            scale, zero_point = self.output["quantization"]
            outputs = (outputs.astype(np.float32) - zero_point) * scale
        probabilities = outputs[0]
        best = int(probabilities.argmax())
        return {"label": self.class_names[best], "probability": float(probabilities[best])}


def main() -> None:
    """Reads the command line and prints one line, or one JSON object, per image."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("bundle", type=Path, help="the bundle's folder")
    parser.add_argument("images", nargs="+", help="image files")
    parser.add_argument("--quantization", choices=("float16", "dynamic", "int8", "int16x8"))
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    args = parser.parse_args()
    suffix = f"_{args.quantization}" if args.quantization else ""
    classify = Classifier(args.bundle / f"model{suffix}.tflite")
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
