"""SavedModels of images: encoded JPEG and PNG strings, decoded and resized in the graph."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image, UnidentifiedImageError

from kerastl.formats.pairs.string_signature import StringSignature


class EncodedImages(StringSignature):
    """The signature ``serve_bytes``."""

    signature = "serve_bytes"
    tensor = "image_bytes"

    def signatures(self, conversion: Any, module: Any, infer: Any) -> tuple[dict[str, Any], Any]:
        """``serve_bytes``: strings ``(n,)`` to the outputs and, of classes, ``label``."""
        import tensorflow as tf

        from kerastl.formats.pairs import decoding
        from kerastl.inputs.image_probes import vertical_pass_may_lead

        height, width = conversion.input.size
        aspect = conversion.input.resize
        vertical_may_lead = vertical_pass_may_lead()

        def read(data: Any) -> Any:
            pixels = decoding.decode(data)
            return decoding.resize(pixels, height, width, vertical_may_lead, aspect)

        def pixels(image_bytes: Any) -> list[Any]:
            spec = tf.TensorSpec((height, width, 3), tf.uint8)
            return [tf.cast(tf.map_fn(read, image_bytes, fn_output_signature=spec), tf.float32)]

        module.serve_bytes = self.served(conversion, infer, pixels)
        return {self.signature: module.serve_bytes}, {}

    def items(self, sources: Sequence[Any]) -> dict[int, Any]:
        """Those of the sources that can be given as strings: JPEG and PNG files, by content."""
        paths = {i: Path(x) for i, x in enumerate(sources) if isinstance(x, str | Path)}
        return {i: str(path.resolve()) for i, path in paths.items() if _is_servable(path)}

    def run(self, session: Any, items: Sequence[str]) -> dict[str, Any]:
        """Outputs of files."""
        return super().run(session, [Path(item).read_bytes() for item in items])


def _is_servable(path: Path) -> bool:
    try:
        with Image.open(path) as image:
            return image.format in ("JPEG", "PNG")
    except UnidentifiedImageError:
        return False
