"""Classifies or embeds texts with the ONNX file of a kerastl bundle.

pip install onnxruntime tokenizers numpy
python run_text_onnx.py BUNDLE "a text" ["another" ...] [--lines FILE] [--quantization dynamic]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import onnxruntime
from tokenizers import Tokenizer


def check(text: str) -> None:
    """Refuses what has no UTF-8: half of a surrogate pair, as wrong decoding leaves it."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError(
            f"The text cannot be written as UTF-8: the character at position {error.start} is "
            f"U+{ord(text[error.start]):04X}, half of a surrogate pair."
        ) from None


def token_ids(text: str, tokenizer: Tokenizer, settings: dict) -> list[int]:
    """Ids of a text with start and end tokens, cut to the model's length."""
    check(text)
    start, end = settings["start_ids"], settings["end_ids"]
    room = settings["max_length"] - len(start) - len(end)
    return [*start, *tokenizer.encode(text, add_special_tokens=False).ids[:room], *end]


def answer(outputs: np.ndarray, names: list[str], manifest: dict) -> dict:
    """What the outputs of one text say: a label, several, a number, or a vector."""
    if manifest["kind"] == "embedding":
        return {"label": None, "probability": None, "embedding": [float(x) for x in outputs]}
    if manifest["kind"] == "regression":
        return {"label": None, "probability": None, "value": float(outputs[0])}
    if manifest["kind"] == "multi_label":
        chosen = np.flatnonzero(outputs >= np.array(manifest["thresholds"]))
        return {
            "label": [names[i] for i in chosen],
            "probability": [float(outputs[i]) for i in chosen],
        }
    best = int(outputs.argmax())
    return {"label": names[best], "probability": float(outputs[best])}


def shown(item: dict) -> str:
    """The answer to one text as people read it: label and probability, or the first numbers."""
    if "embedding" in item:
        return " ".join(f"{x:.4f}" for x in item["embedding"][:6]) + " ..."
    if item["label"] is None:
        return f"{item['value']}\t{item['probability']}"
    return f"{item['label']}\t{item['probability']}"


class Classifier:
    """An ONNX file that turns a text into a label or a vector."""

    def __init__(self, bundle: Path, quantization: str | None = None) -> None:
        self.manifest = json.loads((bundle / "manifest.json").read_text(encoding="utf-8"))
        self.tokenizer = Tokenizer.from_file(str(bundle / "tokenizer.json"))
        self.session = onnxruntime.InferenceSession(
            str(bundle / (f"model_{quantization}.onnx" if quantization else "model.onnx")),
            providers=["CPUExecutionProvider"],
        )
        metadata = self.session.get_modelmeta().custom_metadata_map
        self.class_names = json.loads(metadata["class_names"])

    def __call__(self, text: str) -> dict:
        """Answers one text."""
        settings = self.manifest["tokenizer"]
        ids = np.array([token_ids(text, self.tokenizer, settings)], dtype=np.int32)
        mask = (ids != settings["pad_id"]).astype(np.int32)
        feeds = {"token_ids": ids, "padding_mask": mask}
        outputs = self.session.run([self.manifest["outputs"][0]["name"]], feeds)[0][0]
        return answer(outputs, self.class_names, self.manifest)


def main() -> None:
    """Reads the command line and prints one line, or one JSON object, per text."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("bundle", type=Path, help="the bundle's folder")
    parser.add_argument("texts", nargs="*", help="texts")
    parser.add_argument("--lines", type=Path, help="a UTF-8 file with one text a line")
    parser.add_argument("--quantization", choices=("dynamic",))
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    args = parser.parse_args()
    try:
        lines = args.lines.read_text(encoding="utf-8").split("\n") if args.lines else []
        texts = [*args.texts, *(lines[:-1] if lines and not lines[-1] else lines)]
        classify = Classifier(args.bundle, args.quantization)
        answers = [{"input": text, **classify(text)} for text in texts]
    except (OSError, ValueError) as error:
        parser.exit(2, f"{error}\n")
    if args.json:
        print(json.dumps({"predictions": answers}))
    else:
        for item in answers:
            print(f"{item['input']!r}\t{shown(item)}")


if __name__ == "__main__":
    main()
