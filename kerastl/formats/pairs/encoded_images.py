"""SavedModels of images: encoded JPEG and PNG strings, decoded and resized in the graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from PIL import Image

Array = np.ndarray[Any, Any]
SIGNATURE, TENSOR = "serve_bytes", "image_bytes"


class EncodedImages:
    """The signature ``serve_bytes``.

    Attributes:
        tensors: what the signature of tensors is called beside it.
        packages: modules that are needed, and the extra that brings each.
    """

    tensors: ClassVar[str] = "serving_default"
    packages: ClassVar[Mapping[str, str]] = {}

    def signatures(self, conversion: Any, module: Any, infer: Any) -> tuple[dict[str, Any], Any]:
        """``serve_bytes``: strings ``(n,)`` to the outputs and, of classes, ``label``."""
        import tensorflow as tf

        from kerastl.formats.pairs import decoding
        from kerastl.formats.pairs.naming import label_of
        from kerastl.inputs.image_probes import vertical_pass_may_lead

        height, width = conversion.input.size
        vertical_may_lead = vertical_pass_may_lead()

        def read(data: Any) -> Any:
            return decoding.resize(decoding.decode(data), height, width, vertical_may_lead)

        def serve_bytes(image_bytes: Any) -> dict[str, Any]:
            spec = tf.TensorSpec((height, width, 3), tf.uint8)
            pixels = tf.map_fn(read, image_bytes, fn_output_signature=spec)
            outputs = infer(tf.cast(pixels, tf.float32))
            return {**outputs, **label_of(conversion.outputs, outputs)}

        module.serve_bytes = tf.function(
            serve_bytes, input_signature=[tf.TensorSpec((None,), tf.string, name=TENSOR)]
        )
        return {SIGNATURE: module.serve_bytes}, {}

    def items(self, sources: Sequence[Any]) -> dict[int, Any]:
        """Those of the sources that can be given as strings: JPEG and PNG files, by content."""
        paths = {i: Path(x) for i, x in enumerate(sources) if isinstance(x, str | Path)}
        return {i: str(path.resolve()) for i, path in paths.items() if _is_servable(path)}

    def is_held(self, session: Any) -> bool:
        """Whether a SavedModel has the signature."""
        return SIGNATURE in session.signatures

    def run(self, session: Any, items: Sequence[str]) -> Mapping[str, Any]:
        """Outputs of files."""
        found: Mapping[str, Any] = session.call(
            SIGNATURE, TENSOR, [Path(item).read_bytes() for item in items]
        )
        return found


def _is_servable(path: Path) -> bool:
    with Image.open(path) as image:
        return image.format in ("JPEG", "PNG")
