"""Images: decoded, upright, resized to the network's size, pixels from 0 to 255."""

from __future__ import annotations

import dataclasses
import itertools
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np

from kerastl.errors import ConfigurationError
from kerastl.files import read_arrays, read_json, write_json
from kerastl.inputs.examples import ArrayExamples, Readable, decode
from kerastl.inputs.image_features import colour_histogram
from kerastl.inputs.image_probes import probe_images, synthetic_images, vertical_pass_may_lead
from kerastl.inputs.image_reading import IMAGES
from kerastl.inputs.image_thumbnails import thumbnail
from kerastl.inputs.images import decode_full_size, decode_image, image_list
from kerastl.inputs.input import BATCH, GOLDEN_LABELS, GoldenFiles, GoldenLabels, Input, Spec
from kerastl.inputs.reading import Reader
from kerastl.inputs.resizing import PAD_LEVEL, STRETCH

Array = np.ndarray[Any, Any]
TENSOR = "image"
SYNTHETIC = 48
SERVE_BYTES_LIMITS = (
    "JPEG and PNG only",
    "orientation in XMP metadata is not read, EXIF orientation is",
    "transparency of PNG files with fewer than 8 bits a sample is ignored",
)


_HOW = {
    "stretch": "stretched to",
    "pad": f"fitted, on grey of level {PAD_LEVEL}, into",
    "crop": "cut to the aspect ratio of its centre and resized to",
}

# What an artifact's input is changed by, and what is wrong where it then answers rightly.
_SUSPICIONS: tuple[tuple[Callable[[Array], Array], str], ...] = (
    (lambda x: x[..., ::-1], "its colour order is BGR, not RGB"),
    (
        lambda x: x / 127.5 - 1,
        "its graph lacks the network's preprocessing: it wants pixels from -1 to 1",
    ),
    (lambda x: x / 255, "its graph lacks the network's preprocessing: it wants pixels from 0 to 1"),
    (lambda x: (x + 1) * 127.5, "its graph maps pixels to -1..1 twice"),
    (lambda x: x * 255, "its graph divides pixels by 255 twice"),
)


@final
@dataclasses.dataclass(frozen=True)
class Image(Input):
    """Images of one size.

    A source is a path, encoded bytes, a Pillow image, or pixels uint8 ``(h, w, 3)``.

    Attributes:
        size: ``(height, width)`` that the network takes.
        any_size: exported files take images as they are, and resize them in the graph.
        resize: what becomes of another aspect ratio, see ``kerastl.inputs.resizing.Resize``.
        as_floats: sources are float32 arrays of the network's size, of any range, as ``suspicions``
            makes them.
    """

    kind: ClassVar[str] = "image"
    noun: ClassVar[str] = "image"
    reading_step: ClassVar[str] = "decoding"
    calibrates: ClassVar[bool] = True
    timed_from_arrays: ClassVar[bool] = True
    reader: ClassVar[Reader] = IMAGES
    # A level more or less in pixels on the edge between two; without antialiasing 100 times that.
    equivalent_difference: ClassVar[float] = 0.02
    preprocessing: ClassVar[Mapping[str, Any]] = {
        "in_graph": True,
        "description": "in the graph: every artifact takes RGB pixels from 0 to 255 as they are",
    }
    runner_packages: ClassVar[tuple[str, ...]] = ("pillow", "numpy")
    runner_example: ClassVar[str] = "photo.jpg"
    features_name: ClassVar[str] = "colour histograms"

    size: tuple[int, int]
    any_size: bool = False
    as_floats: bool = False
    resize: str = STRETCH

    @staticmethod
    def from_manifest(
        manifest: Mapping[str, Any], folder: Path, packed: Path | None = None
    ) -> Image:
        """The input of a bundle."""
        resize = manifest["input"]["resize"]
        height, width = resize["size"]
        floats = bool(manifest["input"].get("as_floats"))
        aspect = str(resize.get("aspect_ratio", STRETCH))
        return Image((height, width), bool(resize["in_graph"]), floats, aspect)

    @staticmethod
    def from_run(config: Mapping[str, Any], run: Path) -> Image:
        """The input of a run directory."""
        height, width = config["size"]
        return Image((height, width), resize=config.get("resize", STRETCH))

    def save(self, run: Path) -> dict[str, Any]:
        """The size, and what becomes of another aspect ratio unless it is stretched."""
        other = {} if self.resize == STRETCH else {"resize": self.resize}
        return {"size": list(self.size), **other}

    def as_list(self, given: Any) -> list[Any]:
        """See ``image_list``."""
        return image_list(given)

    def batches(
        self, sources: Sequence[Any], *, size: int = BATCH, length: int | None = None
    ) -> Iterator[tuple[Array, Array]]:
        """Pixels uint8 ``(b, height, width, 3)``; one image at a time where any size is taken."""
        if self.any_size:
            yield from self._as_they_are(sources, size)
            return
        for start in range(0, len(sources), size):
            rows = np.arange(start, min(start + size, len(sources)))
            some = [sources[int(i)] for i in rows]
            if not self.as_floats:
                some = [self._decoded(source) for source in some]
            yield rows, np.stack(some)

    @staticmethod
    def _as_they_are(sources: Sequence[Any], size: int) -> Iterator[tuple[Array, Array]]:
        """Images of one size one after another make a batch."""
        decoded = enumerate(map(decode_full_size, sources))
        for _, alike in itertools.groupby(decoded, key=lambda pair: pair[1].shape):
            while some := list(itertools.islice(alike, size)):
                rows, images = zip(*some, strict=True)
                yield np.array(rows), np.stack(images)

    def examples(self, data: Readable, folder: Path) -> ArrayExamples:
        """Images that were decoded once."""
        return decode(data, self.size, folder, resize=self.resize)

    def _decoded(self, source: Any) -> Array:
        return decode_image(source, self.size, self.resize)

    def specs(self, *, fixed_lengths: bool = False) -> tuple[Spec, ...]:
        """float32 pixels, RGB, channels last."""
        if self.any_size:
            return (Spec(TENSOR, "float32", (None, None, 3), {1: "height", 2: "width"}),)
        return (Spec(TENSOR, "float32", (*self.size, 3)),)

    def feeds(self, batch: Array) -> dict[str, Array]:
        """``image`` as float32."""
        return {TENSOR: np.asarray(batch, dtype=np.float32)}

    def of_any_size(self) -> Image:
        """The same with files that resize."""
        return dataclasses.replace(self, any_size=True)

    def in_graph(self, network: Any, tensors: Sequence[Any]) -> Any:
        """Resizes, where any size is taken, and casts to what the network computes in."""
        import tensorflow as tf

        [image] = tensors
        if self.any_size:
            from kerastl.formats import any_size

            image = any_size.resize(image, *self.size, self.resize)
        return tf.cast(image, network.inputs[0].dtype)

    def calibration(self, sources: Sequence[Any]) -> Array:
        """Pixels, in which there has to be something to see."""
        pixels = super().calibration(sources)
        if pixels.min() == pixels.max():
            raise ConfigurationError(
                f"calibration holds only images of one grey level, {pixels.min()}: no value range "
                "can be measured on them. Pass training images."
            )
        return pixels

    @property
    def builtin(self) -> tuple[list[Any], str]:
        """Noise, gradients and blobs."""
        return list(synthetic_images(SYNTHETIC, self.size)), "synthetic"

    def probes(self) -> list[Any]:
        """Images of other sizes, where files take them."""
        return list(probe_images(self.size)) if self.any_size else []

    def equivalents(self, sources: Sequence[Any]) -> list[Any]:
        """Images resized by Pillow, where files resize them in the graph."""
        return [self._decoded(source) for source in sources] if self.any_size else []

    def suspicions(self, sources: Sequence[Any]) -> Iterator[tuple[list[Any], Input, str]]:
        """Pixels as artifacts with wrong preprocessing would want them."""
        if self.any_size:
            return
        pixels = np.concatenate([batch for _, batch in self.batches(sources)]).astype(np.float32)
        for change, meaning in _SUSPICIONS:
            yield (
                list(np.ascontiguousarray(change(pixels))),
                dataclasses.replace(self, as_floats=True),
                meaning,
            )

    def store(self, folder: Path, name: str, sources: Sequence[Any]) -> None:
        """Pixels: of one size in one file, of many in an archive."""
        if self.any_size:
            np.savez(folder / f"{name}.npz", *(decode_full_size(source) for source in sources))
            return
        pixels = [batch for _, batch in self.batches(sources)]
        empty = np.zeros((0, *self.size, 3), np.uint8)
        found = np.concatenate(pixels) if pixels else empty
        np.savez_compressed(folder / f"{name}_pixels.npz", found)

    def stored(self, folder: Path, name: str) -> list[Any]:
        """Pixels."""
        if not self.any_size:
            return list(read_arrays(folder / f"{name}_pixels.npz")["arr_0"])
        arrays = read_arrays(folder / f"{name}.npz")
        return [arrays[f"arr_{index}"] for index in range(len(arrays))]

    def write_golden(
        self, folder: Path, sources: Sequence[Any], labels: GoldenLabels, files: GoldenFiles
    ) -> None:
        """Pixels at the network's size, and files with the labels that they must get."""
        fixed = dataclasses.replace(self, any_size=False)
        pixels = np.concatenate([batch for _, batch in fixed.batches(sources)])
        np.savez_compressed(folder / "inputs.npz", image=pixels)
        (folder / "files").mkdir()
        answers: dict[str, Any] = {}
        for path, answer, given in files:
            name = _free_name(path.name, answers)
            shutil.copyfile(path, folder / "files" / name)
            artifacts = {key: label for key, label in given.items() if key != "network"}
            answers[name] = {**answer, "label": given["network"], "artifacts": artifacts}
        write_json(folder / GOLDEN_LABELS, answers)

    def read_golden(self, folder: Path) -> tuple[list[Any], int, dict[int, dict[str, Any]]]:
        """Pixels, then files."""
        pixels = list(read_arrays(folder / "inputs.npz")["image"])
        answers = read_json(folder / GOLDEN_LABELS)
        if not isinstance(answers, dict):
            raise ValueError(f"{GOLDEN_LABELS} holds no JSON object")
        labels = {
            len(pixels) + index: {"network": answer["label"], **answer["artifacts"]}
            for index, answer in enumerate(answers.values())
        }
        return [*pixels, *(folder / "files" / name for name in answers)], len(answers), labels

    def shown(self, source: Any) -> str:
        """A path, or what else it is."""
        return str(source) if isinstance(source, str | Path) else "an image"

    def excerpt(self, source: Any) -> str | None:
        """None: an image is shown as it is."""
        return None

    def thumbnail(self, source: Any) -> bytes | None:
        """See ``kerastl.inputs.image_thumbnails``."""
        return thumbnail(source)

    def simple_features(
        self, sources: Sequence[Any], state: Mapping[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]] | None:
        """See ``kerastl.inputs.image_features.colour_histogram``: float32 ``(n, 64)``."""
        rows = [colour_histogram(self._decoded(source)) for source in sources]
        return np.stack(rows), {}

    def manifest_entries(self) -> dict[str, Any]:
        """``input``: the tensor, and the way from a file to it."""
        height, width = self.size
        return {
            "input": {
                "kind": self.kind,
                **({"as_floats": True} if self.as_floats else {}),
                "name": TENSOR,
                "dtype": "float32",
                "shape": [None, *self.specs()[0].shape],
                "layout": "NHWC",
                "color_order": "RGB",
                "value_range": [0, 255],
                "resize": {
                    "size": [height, width],
                    "in_graph": self.any_size,
                    "aspect_ratio": self.resize,
                    **({"pad_level": PAD_LEVEL} if self.resize == "pad" else {}),
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

    def how_to_feed(self, manifest: Mapping[str, Any]) -> str:
        """Decoding and resizing."""
        height, width = self.size
        return (
            f"The input `{TENSOR}` is float32 `(batch, {height}, {width}, 3)`: RGB, 0 to 255, no "
            "other preprocessing. A file is decoded with its EXIF orientation applied and "
            f"transparency on white, then {_HOW[self.resize]} {width} x {height} pixels (Pillow's "
            "antialiased bilinear filter)."
        )

    def notes_on(self, entry: Mapping[str, Any], answers: str) -> list[str]:
        """Encoded files."""
        if "serve_bytes" not in entry.get("signatures", ()):
            return []
        return [
            "The SavedModel's signature `serve_bytes` takes encoded JPEG or PNG strings as "
            f"`image_bytes` and returns {answers}."
        ]

    def caveats(self, manifest: Mapping[str, Any]) -> list[str]:
        """What decoding in the graph leaves out."""
        if not any(self.notes_on(entry, "") for entry in manifest["artifacts"]):
            return []
        return [f"`serve_bytes`: {'; '.join(SERVE_BYTES_LIMITS)}."]


def _free_name(name: str, taken: Iterable[str]) -> str:
    again, free = 1, name
    while free in taken:
        again += 1
        free = f"{again}_{name}"
    return free
