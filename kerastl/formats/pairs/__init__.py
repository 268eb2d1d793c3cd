"""What one input and one format have together and no other two: the one table of such pairs.

A pair of SavedModels takes an example as a string, so that it adds a signature and says how that
is run; one of LiteRT files writes metadata that other tools read.
"""

import importlib
from typing import Any

_PAIRS = {
    ("image", "saved_model"): "kerastl.formats.pairs.encoded_images:EncodedImages",
    ("text", "saved_model"): "kerastl.formats.pairs.strings:Strings",
    ("image", "litert"): "kerastl.formats.pairs.mediapipe:ImageMetadata",
}


def pair_of(input_kind: str, format: str) -> Any:
    """The pair of an input and a format, or None."""
    place = _PAIRS.get((input_kind, format))
    if place is None:
        return None
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)()
