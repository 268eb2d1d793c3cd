"""Classifies or embeds texts with the SavedModel of a kerastl bundle.

pip install tensorflow tensorflow-text numpy
python run_text_saved_model.py BUNDLE "a text" ["another" ...] [--lines FILE] [--json]

A SavedModel that takes no strings (its manifest says so) needs the package tokenizers as well.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import tensorflow as tf
import tensorflow_text  # noqa: F401  the operators of the tokenizer in the graph


def check(text: str) -> None:
    """Refuses what has no UTF-8: half of a surrogate pair, as wrong decoding leaves it."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError(
            f"The text cannot be written as UTF-8: the character at position {error.start} is "
            f"U+{ord(text[error.start]):04X}, half of a surrogate pair."
        ) from None


def token_ids(text: str, tokenizer: object, settings: dict) -> list[int]:
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
    """A SavedModel that turns a text into a label or a vector."""

    def __init__(self, bundle: Path) -> None:
        self.manifest = json.loads((bundle / "manifest.json").read_text(encoding="utf-8"))
        self.output = self.manifest["outputs"][0]["name"]
        # Its signatures work only as long as the loaded model is referenced.
        self.model = tf.saved_model.load(str(bundle / "saved_model"))
        names = (bundle / "saved_model" / "assets" / "labels.txt").read_text(encoding="utf-8")
        self.class_names = names.split("\n")[:-1]
        self.takes_strings = "serving_default" in self.model.signatures
        if not self.takes_strings:
            from tokenizers import Tokenizer

            self.tokenizer = Tokenizer.from_file(str(bundle / "tokenizer.json"))

    def __call__(self, text: str) -> dict:
        """Answers one text."""
        check(text)
        if self.takes_strings:
            found = self.model.signatures["serving_default"](text=tf.constant([text]))
        else:
            settings = self.manifest["tokenizer"]
            ids = tf.constant([token_ids(text, self.tokenizer, settings)], dtype=tf.int32)
            mask = tf.cast(ids != settings["pad_id"], tf.int32)
            serve = self.model.signatures["serve_tokens"]
            found = serve(token_ids=ids, padding_mask=mask)
        return answer(found[self.output].numpy()[0], self.class_names, self.manifest)


def main() -> None:
    """Reads the command line and prints one line, or one JSON object, per text."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("bundle", type=Path, help="the bundle's folder")
    parser.add_argument("texts", nargs="*", help="texts")
    parser.add_argument("--lines", type=Path, help="a UTF-8 file with one text a line")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    args = parser.parse_args()
    try:
        lines = args.lines.read_text(encoding="utf-8").split("\n") if args.lines else []
        texts = [*args.texts, *(lines[:-1] if lines and not lines[-1] else lines)]
        classify = Classifier(args.bundle)
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
