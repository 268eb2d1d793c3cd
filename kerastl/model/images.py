"""A trained classifier of images."""

from __future__ import annotations

import dataclasses
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, final

import keras
import numpy as np

from kerastl.data import decode_image, image_list, load
from kerastl.errors import DataError
from kerastl.metrics import classification_metrics
from kerastl.model.predictions import Predictions, make_predictions
from kerastl.model.samples import Samples
from kerastl.model.trained import TrainedModel

if TYPE_CHECKING:
    from kerastl.bundles import Bundle

Array = np.ndarray[Any, Any]
BATCH = 32


@final
@dataclasses.dataclass(frozen=True)
class ImageModel(TrainedModel):
    """A classifier of images.

    Attributes:
        samples: examples that prove and calibrate an export, or None.
    """

    KIND: ClassVar[str] = "image_classification"

    samples: Samples | None = None

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width in pixels that the network takes."""
        _, height, width, _ = self.network.inputs[0].shape
        return int(height), int(width)

    def predict(self, inputs: Any) -> Predictions:
        """Predicts the classes of images.

        Args:
            inputs: a list of paths, PIL images, encoded bytes or arrays (height, width, 3) of
                pixels in 0..255; one of these; or an array (n, height, width, 3). Each is
                decoded and resized as the training images were.

        Returns:
            Labels and probabilities, in the order of the inputs.

        Raises:
            ImageError: an image cannot be decoded.
        """
        items = image_list(inputs)
        outputs = [np.zeros((0, len(self.class_names)), np.float32)]
        for start in range(0, len(items), BATCH):
            images = [decode_image(item, self.image_size) for item in items[start : start + BATCH]]
            outputs.append(self._probabilities(np.stack(images)))
        return make_predictions(np.concatenate(outputs), self.class_names)

    def evaluate(self, data: Any, **options: Any) -> dict[str, float]:
        """Measures the model on labelled data.

        Args:
            data: any kind of data that ``fit`` takes.
            **options: of ``kerastl.data.load``, as ``split="test"`` or ``on_error="raise"``.

        Returns:
            ``accuracy`` with its 95 % interval, ``macro_f1``, ``loss`` and ``examples``.

        Raises:
            DataError: the data's classes are not the model's.
        """
        dataset = load(data, class_names=self.class_names, **options)
        if tuple(dataset.class_names) != self.class_names:
            raise DataError(
                f"The data's classes are {', '.join(dataset.class_names)}; the model's are "
                f"{', '.join(self.class_names)}, in that order."
            )
        labels: list[Array] = []
        outputs: list[Array] = []
        for images, classes in dataset.batches(self.image_size, BATCH):
            labels.append(np.asarray(classes))
            outputs.append(self._probabilities(images))
        if not labels:
            raise DataError("Not a single image could be read.")
        return classification_metrics(np.concatenate(labels), np.concatenate(outputs))

    def _probabilities(self, images: Array) -> Array:
        return predict_images(self.network, images)

    def save_extras(self, run: Path) -> None:
        """Writes the samples below a run directory."""
        if self.samples is not None:
            self.samples.save(run)

    def export(  # type: ignore[override]
        self,
        path: str | os.PathLike[str],
        *,
        formats: Sequence[str] = ("saved_model", "onnx", "litert"),
        quantize: Sequence[str] = (),
        gate: Any = None,
        litert: Any = None,
        any_size: bool = False,
        overwrite: bool = False,
        progress: Callable[[str], None] | None = None,
    ) -> Bundle:
        """Exports a bundle whose every file was proved to answer like this model.

        Args:
            path: the bundle's folder; must not exist, unless ``overwrite``.
            formats: of ``"saved_model"``, ``"onnx"``, ``"litert"``, ``"openvino"``,
                ``"torch"``.
            quantize: further LiteRT files: of ``"float16"``, ``"dynamic"``, ``"int8"``,
                ``"int16x8"``.
            gate: how close is close enough, a ``kerastl.Gate``.
            litert: batch and input of the LiteRT files, a
                ``kerastl.bundles.LiteRTOptions``.
            any_size: files take images of any size and resize them in the graph.
            overwrite: replace a bundle that is there.
            progress: called with one line for each step.

        Raises:
            ParityError: an artifact does not answer like the model; nothing is left at ``path``.
            ExportError: a conversion failed.
            MissingExtraError: a runtime is not installed.
        """
        from kerastl.bundles import Gate, LiteRTOptions, export

        samples = self.samples
        with tempfile.TemporaryDirectory() as folder:
            files = []
            for name, content in samples.files if samples else ():
                files.append(Path(folder) / name)
                files[-1].write_bytes(content)
            return export(
                self.network,
                path,
                class_names=self.class_names,
                formats=tuple(formats),
                quantize=tuple(quantize),
                examples=samples.validation if samples else None,
                labels=samples.labels if samples else None,
                calibration=samples.calibration if samples else None,
                files=files,
                gate=gate or Gate(),
                litert=litert or LiteRTOptions(),
                any_size=any_size,
                overwrite=overwrite,
                details=self.details(),
                progress=progress,
            )


def predict_images(network: keras.Model, images: Array) -> Array:
    """Probabilities float32 (n, classes) of decoded images uint8 (n, height, width, 3)."""
    outputs = []
    for start in range(0, len(images), BATCH):
        batch = images[start : start + BATCH].astype(np.float32)
        count = len(batch)
        if count < BATCH:
            # One shape for all batches: a second one would be compiled anew.
            padding = np.zeros((BATCH - count, *batch.shape[1:]), np.float32)
            batch = np.concatenate([batch, padding])
        outputs.append(np.asarray(network.predict_on_batch(batch))[:count])
    return np.concatenate(outputs)
