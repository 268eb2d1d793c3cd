"""Answers images or texts with the SavedModel of a kerastl bundle.

pip install tensorflow numpy pillow (images) tensorflow-text (texts)
python run_saved_model.py BUNDLE photo.jpg [more.png ...] [--json]
python run_saved_model.py BUNDLE "a text" ["another" ...] [--lines FILE]
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from bundle_io import Run, TextReader, main


def open_artifact(bundle: Path, manifest: dict, read: Any, quantization: str | None) -> Run:
    """Loads the model; strings go in as they are, where its tokenizer is in the graph."""
    import tensorflow as tf

    if importlib.util.find_spec("tensorflow_text"):
        # Its operators divide texts into tokens in the graph, and are registered on import.
        import tensorflow_text  # noqa: F401

    model = tf.saved_model.load(str(bundle / "saved_model"))
    signatures = model.signatures
    serve = signatures["serve_tokens" if "serve_tokens" in signatures else "serving_default"]
    names = [entry["name"] for entry in manifest["outputs"]]
    if isinstance(read, TextReader) and "serving_default" in signatures:
        serve = signatures["serving_default"]
        read.as_strings = True

    # Signatures work only as long as the loaded model is referenced.
    def run(feeds: dict, model: Any = model) -> dict:
        found = serve(**{name: tf.constant(value) for name, value in feeds.items()})
        return {name: found[name].numpy() for name in names}

    return run


if __name__ == "__main__":
    main(__doc__ or "", open_artifact)
