"""From a file or a string to what a bundle's artifacts take, and from their answers to labels.

What the runners beside this file share. It needs numpy, and Pillow for bundles of images or
tokenizers for bundles of texts; neither Keras nor kerastl.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

Feeds = dict[str, np.ndarray]
Run = Callable[[Feeds], dict[str, np.ndarray]]
_BAD_INPUT = 2


class ImageReader:
    """Image files to pixels, by the rule of the bundle's manifest."""

    def __init__(self, manifest: dict, bundle: Path) -> None:
        resize = manifest["input"]["resize"]
        # None: the graph takes any size and resizes by itself.
        self.size = None if resize["in_graph"] else tuple(resize["size"])

    def shown(self, source: str) -> str:
        """A path as it is printed."""
        return source

    def __call__(self, source: str) -> Feeds:
        """Upright RGB on white, stretched to (height, width) if any: float32, 0 to 255."""
        from PIL import Image, ImageOps

        image = ImageOps.exif_transpose(Image.open(source))
        if image.mode.startswith("I"):
            # 16 bits to 8; Pillow itself would cut everything above 255.
            deep = np.asarray(image).astype(np.int64).clip(0, 65535)
            image = Image.fromarray(((deep + 128) // 257).astype(np.uint8))
        if image.has_transparency_data:
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        image = image.convert("RGB")
        if self.size is not None:
            image = image.resize(self.size[::-1], Image.Resampling.BILINEAR)
        return {"image": np.asarray(image, dtype=np.float32)[None]}


class TextReader:
    """Texts to token ids, by the bundle's tokenizer."""

    def __init__(self, manifest: dict, bundle: Path) -> None:
        self.settings = manifest["tokenizer"]
        self.file = bundle / "tokenizer.json"
        self.tokenizer: Any = None
        # LiteRT files take texts of one length.
        self.length: int | None = None
        # SavedModels may divide texts into tokens themselves.
        self.as_strings = False

    def shown(self, source: str) -> str:
        """A text as it is printed, on one line."""
        return repr(source)

    def __call__(self, source: str) -> Feeds:
        """Ids with start and end tokens, cut to the model's length, and their mask."""
        check_text(source)
        if self.as_strings:
            return {"text": np.array([source.encode("utf-8")], dtype=object)}
        if self.tokenizer is None:
            from tokenizers import Tokenizer

            self.tokenizer = Tokenizer.from_file(str(self.file))
        start, end = self.settings["start_ids"], self.settings["end_ids"]
        room = self.settings["max_length"] - len(start) - len(end)
        found = self.tokenizer.encode(source, add_special_tokens=False).ids[:room]
        row = [*start, *found, *end]
        row += [self.settings["pad_id"]] * ((self.length or 0) - len(row))
        ids = np.array([row], dtype=np.int32)
        return {"token_ids": ids, "padding_mask": (ids != self.settings["pad_id"]).astype(np.int32)}


def check_text(text: str) -> None:
    """Refuses what has no UTF-8: half of a surrogate pair, as wrong decoding leaves it."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError(
            f"The text cannot be written as UTF-8: the character at position {error.start} is "
            f"U+{ord(text[error.start]):04X}, half of a surrogate pair."
        ) from None


READERS = {"image": ImageReader, "text": TextReader}


def read_manifest(bundle: Path) -> dict:
    """The manifest of a bundle; exits where the folder is not one."""
    try:
        return json.loads((bundle / "manifest.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        sys.exit(f"{bundle} is no bundle: {error}")


def reader_of(manifest: dict, bundle: Path) -> Any:
    """What reads the sources of a bundle."""
    # Version 0.1.0 wrote the kind into the task's name alone.
    kind = manifest["input"].get("kind", manifest["task"].split("_")[0])
    return READERS[kind](manifest, bundle)


def meaning(row: np.ndarray, entry: dict, manifest: dict) -> dict:
    """What one output says of one source: a label, several, a number, or a vector."""
    output = entry.get("output") or {
        "kind": manifest.get("kind", "single_label"),
        "class_names": manifest["class_names"],
        "thresholds": manifest.get("thresholds"),
    }
    kind, names = output["kind"], output["class_names"]
    if kind == "embedding":
        return {"label": None, "probability": None, "embedding": [float(x) for x in row]}
    if kind == "regression":
        return {"label": None, "probability": None, "value": float(row[0])}
    if kind == "multi_label":
        chosen = np.flatnonzero(row >= np.array(output["thresholds"] or [0.5] * len(names)))
        return {
            "label": [names[i] for i in chosen],
            "probability": [float(row[i]) for i in chosen],
        }
    if entry.get("kind") == "scores":
        # Logits: their softmax are the probabilities.
        row = np.exp(row.astype(np.float64) - row.max())
        row = row / row.sum()
    best = int(row.argmax())
    return {"label": names[best], "probability": float(row[best])}


def answer(outputs: dict[str, np.ndarray], manifest: dict) -> dict:
    """What all outputs say of one source; of several outputs each under its name."""
    entries = manifest["outputs"]
    found = {x["name"]: meaning(outputs[x["name"]][0], x, manifest) for x in entries}
    if len(found) == 1:
        return next(iter(found.values()))
    return {"label": None, "probability": None, **found}


def shown(item: dict) -> str:
    """An answer as people read it."""
    if "embedding" in item:
        return " ".join(f"{x:.4f}" for x in item["embedding"][:6]) + " ..."
    if "value" in item:
        return f"{item['value']:.6g}"
    if item["label"] is None:
        parts = {k: v for k, v in item.items() if isinstance(v, dict)}
        return "; ".join(f"{k}: {shown(v)}" for k, v in parts.items()).replace("\t", " ")
    if isinstance(item["label"], list):
        pairs = zip(item["label"], item["probability"], strict=True)
        return ", ".join(f"{name} {value:.4f}" for name, value in pairs)
    return f"{item['label']}\t{item['probability']:.4f}"


def main(
    description: str,
    open_artifact: Callable[[Path, dict, Any, str | None], Run],
    quantizations: Sequence[str] = (),
) -> None:
    """Reads the command line and prints one line for each source, or one JSON object.

    Args:
        description: of the script.
        open_artifact: of the bundle, its manifest, its reader and a quantisation or None to what
            runs one source.
        quantizations: that the format has.
    """
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("bundle", type=Path, help="the bundle's folder")
    parser.add_argument("sources", nargs="*", help="image files, or texts")
    parser.add_argument("--lines", type=Path, help="a UTF-8 file with one source in each line")
    if quantizations:
        parser.add_argument("--quantization", choices=quantizations)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    args = parser.parse_args()
    manifest = read_manifest(args.bundle)
    read = reader_of(manifest, args.bundle)
    try:
        lines = args.lines.read_text(encoding="utf-8").split("\n") if args.lines else []
        sources = [*args.sources, *(lines[:-1] if lines and not lines[-1] else lines)]
        run = open_artifact(args.bundle, manifest, read, getattr(args, "quantization", None))
        answers = [{"input": x, **answer(run(read(x)), manifest)} for x in sources]
    except (OSError, ValueError) as error:
        parser.exit(_BAD_INPUT, f"Cannot read the input: {error}\n")
    if args.json:
        print(json.dumps({"predictions": answers}))
    else:
        for item in answers:
            print(f"{read.shown(item['input'])}\t{shown(item)}")
