"""Images: decoded, upright, stretched to the network's size, pixels from 0 to 255."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np

from kerastl.inputs.examples import ImageExamples, Readable, decode
from kerastl.inputs.image_probes import probe_images, synthetic_images, vertical_pass_may_lead
from kerastl.inputs.image_reading import IMAGES
from kerastl.inputs.images import decode_full_size, decode_image, image_list
from kerastl.inputs.input import BATCH, Input, Spec
from kerastl.inputs.reading import Reader

Array = np.ndarray[Any, Any]
TENSOR = "image"
SYNTHETIC = 48
# A level more or less in pixels on the edge between two; without antialiasing it is 100 times so.
ANY_SIZE_DIFFERENCE = 0.02
PREPROCESSING = "in the graph: every artifact takes RGB pixels from 0 to 255 as they are"
SERVE_BYTES_LIMITS = (
    "JPEG and PNG only",
    "orientation in XMP metadata is not read, EXIF orientation is",
    "transparency of PNG files with fewer than 8 bits a sample is ignored",
)


@final
@dataclasses.dataclass(frozen=True)
class Image(Input):
    """Images of one size.

    A source is a path, encoded bytes, a Pillow image, or pixels uint8 ``(h, w, 3)``.

    Attributes:
        size: ``(height, width)`` that the network takes.
        any_size: exported files take images as they are, and resize them in the graph.
    """

    kind: ClassVar[str] = "image"
    noun: ClassVar[str] = "image"
    reader: ClassVar[Reader] = IMAGES

    size: tuple[int, int]
    any_size: bool = False

    @staticmethod
    def from_manifest(manifest: Mapping[str, Any], folder: Path) -> Image:
        """The input of a bundle."""
        del folder
        resize = manifest["input"]["resize"]
        height, width = resize["size"]
        return Image((height, width), bool(resize["in_graph"]))

    def as_list(self, given: Any) -> list[Any]:
        """See ``image_list``."""
        return image_list(given)

    def batches(
        self, sources: Sequence[Any], *, size: int = BATCH, length: int | None = None
    ) -> Iterator[tuple[Array, Array]]:
        """Pixels uint8 ``(b, height, width, 3)``; one image at a time where any size is taken."""
        del length
        if self.any_size:
            for row, source in enumerate(sources):
                yield np.array([row]), decode_full_size(source)[None]
            return
        for start in range(0, len(sources), size):
            rows = np.arange(start, min(start + size, len(sources)))
            yield rows, np.stack([decode_image(sources[int(i)], self.size) for i in rows])

    def examples(self, data: Readable, folder: Path) -> ImageExamples:
        """Images that were decoded once."""
        return decode(data, self.size, folder)

    def specs(self) -> tuple[Spec, ...]:
        """float32 pixels, RGB, channels last."""
        if self.any_size:
            return (Spec(TENSOR, "float32", (None, None, 3), {1: "height", 2: "width"}),)
        return (Spec(TENSOR, "float32", (*self.size, 3)),)

    def feeds(self, batch: Array) -> dict[str, Array]:
        """``image`` as float32."""
        return {TENSOR: np.asarray(batch, dtype=np.float32)}

    def builtin(self) -> list[Any]:
        """Noise, gradients and blobs."""
        return list(synthetic_images(SYNTHETIC, self.size))

    def probes(self) -> list[Any]:
        """Images of other sizes, where files take them."""
        return list(probe_images(self.size)) if self.any_size else []

    @property
    def probe_difference(self) -> float | None:
        """What a level more or less in a few pixels may change."""
        return ANY_SIZE_DIFFERENCE

    def store(self, folder: Path, name: str, sources: Sequence[Any]) -> None:
        """Pixels: of one size in one file, of many in an archive."""
        if self.any_size:
            np.savez(folder / f"{name}.npz", *(decode_full_size(source) for source in sources))
            return
        pixels = [batch for _, batch in self.batches(sources)]
        empty = np.zeros((0, *self.size, 3), np.uint8)
        np.save(folder / f"{name}.npy", np.concatenate(pixels) if pixels else empty)

    def stored(self, folder: Path, name: str) -> list[Any]:
        """Pixels."""
        if self.any_size:
            with np.load(folder / f"{name}.npz") as archive:
                return [archive[f"arr_{index}"] for index in range(len(archive.files))]
        return list(np.load(folder / f"{name}.npy", mmap_mode="r"))

    def shown(self, source: Any) -> str:
        """A path, or what else it is."""
        return str(source) if isinstance(source, str | Path) else "an image"

    @property
    def preprocessing(self) -> Mapping[str, Any]:
        """In the graph."""
        return {"in_graph": True, "description": PREPROCESSING}

    def manifest_entries(self) -> dict[str, Any]:
        """``input``: the tensor, and the way from a file to it."""
        height, width = self.size
        return {
            "input": {
                "name": TENSOR,
                "dtype": "float32",
                "shape": [None, *self.specs()[0].shape],
                "layout": "NHWC",
                "color_order": "RGB",
                "value_range": [0, 255],
                "resize": {
                    "size": [height, width],
                    "in_graph": self.any_size,
                    "aspect_ratio": "stretch",
                    "method": "bilinear",
                    "antialias": True,
                    "library": "Pillow",
                    "rounded_to": "uint8",
                    "passes": (
                        "vertical first where rows removed > 2 x columns removed, else horizontal "
                        "first"
                        if vertical_pass_may_lead()
                        else "horizontal first"
                    ),
                },
                "decode": {
                    "exif_orientation": "applied",
                    "transparency": "flattened onto white",
                    "greyscale": "repeated to RGB; 16 bits divided by 257",
                },
                "serve_bytes_limits": list(SERVE_BYTES_LIMITS),
            }
        }
