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
from typing import Any, NoReturn

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
        self.aspect = resize.get("aspect_ratio", "stretch")
        self.pad_level = resize.get("pad_level", 0)

    def shown(self, source: str) -> str:
        """A path as it is printed."""
        return source

    def __call__(self, source: str) -> Feeds:
        """Upright RGB on white, resized to (height, width) if any: float32, 0 to 255."""
        from PIL import Image, ImageOps

        image = ImageOps.exif_transpose(open_image(source))
        if image.mode.startswith("I"):
            # 16 bits to 8; Pillow itself would cut everything above 255.
            deep = np.asarray(image).astype(np.int64).clip(0, 65535)
            image = Image.fromarray(((deep + 128) // 257).astype(np.uint8))
        if image.has_transparency_data:
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        image = image.convert("RGB")
        if self.size is not None:
            image = self.resized(image)
        return {"image": np.asarray(image, dtype=np.float32)[None]}

    def resized(self, image: Any) -> Any:
        """An image at the network's size: stretched, or cut or filled up to its aspect ratio."""
        from PIL import Image

        (width, height), (rows, columns) = image.size, self.size
        wide, inner = width * rows > height * columns, (columns, rows)
        if self.aspect == "crop" and wide:
            kept = min(width, max(1, (2 * height * columns + rows) // (2 * rows)))
            left = (width - kept) // 2
            image = image.crop((left, 0, left + kept, height))
        elif self.aspect == "crop":
            kept = min(height, max(1, (2 * width * rows + columns) // (2 * columns)))
            top = (height - kept) // 2
            image = image.crop((0, top, width, top + kept))
        elif self.aspect == "pad" and wide:
            inner = (columns, min(rows, max(1, (2 * height * columns + width) // (2 * width))))
        elif self.aspect == "pad":
            inner = (min(columns, max(1, (2 * width * rows + height) // (2 * height))), rows)
        image = image.resize(inner, Image.Resampling.BILINEAR)
        if self.aspect != "pad":
            return image
        padded = Image.new("RGB", (columns, rows), (self.pad_level,) * 3)
        padded.paste(image, ((columns - inner[0]) // 2, (rows - inner[1]) // 2))
        return padded


def open_image(source: str) -> Any:
    """A Pillow image; of HEIC by pillow-heif, which is needed for nothing else."""
    from PIL import Image, UnidentifiedImageError

    try:
        return Image.open(source)
    except UnidentifiedImageError:
        with open(source, "rb") as file:  # noqa: PTH123
            head = file.read(64)
        if head[4:8] != b"ftyp":
            raise
    if b"avif" in head or b"avis" in head:
        raise ValueError("it is an AVIF image, which needs: pip install 'pillow>=11.3'")
    try:
        from pillow_heif import HeifImageFile
    except ImportError:
        raise ValueError("it is a HEIC image, which needs: pip install pillow-heif") from None
    # It is decoded while the file is open.
    with open(source, "rb") as file:  # noqa: PTH123
        image = HeifImageFile(file, source)
        image.load()
    return image


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
    """The manifest of a bundle; exits with 2 where the folder is not one."""
    try:
        manifest = json.loads((bundle / "manifest.json").read_text(encoding="utf-8"))
        if not isinstance(manifest, dict) or not {"input", "outputs", "task"} <= set(manifest):
            raise ValueError("manifest.json is of something else")
        return manifest
    except (OSError, ValueError) as error:
        stop(f"{bundle} is no bundle: {error}. Give the folder that kerastl export wrote.")


def stop(message: str) -> NoReturn:
    """Ends the script: one message on standard error, exit code 2."""
    print(message, file=sys.stderr)
    sys.exit(_BAD_INPUT)


def reader_of(manifest: dict, bundle: Path) -> Any:
    """What reads the sources of a bundle; exits with 2 where nothing here does."""
    # Version 0.1.0 wrote the kind into the task's name alone.
    kind = manifest["input"].get("kind", manifest["task"].split("_")[0])
    if kind not in READERS:
        stop(
            f"{bundle} takes inputs of the kind {kind!r}; these scripts read {', '.join(READERS)}. "
            "Make its arrays by yourself, as its README.md says."
        )
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


def answered(
    sources: Sequence[str], read: Any, run: Run, manifest: dict
) -> tuple[list[dict], list[dict]]:
    """The answers to sources, and the sources that cannot be read, with the reason."""
    answers, skipped = [], []
    for source in sources:
        try:
            feeds = read(source)
        except ImportError as error:
            stop(f"A package is missing: {error}. See the first lines of this script.")
        except Exception as error:
            # Pillow's readers raise whatever a damaged file leads them to.
            skipped.append({"input": source, "error": _reason(error)})
        else:
            answers.append({"input": source, **answer(run(feeds), manifest)})
    return answers, skipped


def _reason(error: Exception) -> str:
    """The first line of an error, or its kind."""
    return str(error).strip().split("\n")[0] or type(error).__name__


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
    except (OSError, ValueError) as error:
        stop(f"Cannot read the input: --lines {args.lines}: {error}")
    sources = [*args.sources, *(lines[:-1] if lines and not lines[-1] else lines)]
    if not sources:
        stop("There is nothing to answer: give image files or texts, or --lines.")
    quantization = getattr(args, "quantization", None)
    try:
        run = open_artifact(args.bundle, manifest, read, quantization)
    except ImportError as error:
        stop(f"A package is missing: {error}. See the first lines of {Path(sys.argv[0]).name}.")
    except Exception as error:
        # Each runtime has errors of its own.
        held = ", ".join(entry["path"] for entry in manifest["artifacts"])
        wanted = f" ({quantization})" if quantization else ""
        stop(f"The file{wanted} cannot be opened: {_reason(error)}. {args.bundle} holds: {held}.")
    answers, skipped = answered(sources, read, run, manifest)
    for item in skipped:
        print(f"Cannot read the input: {item['input']}: {item['error']}", file=sys.stderr)
    if sources and not answers:
        sys.exit(_BAD_INPUT)
    if args.json:
        print(json.dumps({"predictions": answers, "skipped": skipped}))
    else:
        for item in answers:
            print(f"{read.shown(item['input'])}\t{shown(item)}")
