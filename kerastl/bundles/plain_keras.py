"""``export``: a plain Keras network in, a proved bundle out."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Unpack

from kerastl.bundles import arguments
from kerastl.bundles import network as networks
from kerastl.bundles.bundle import Bundle
from kerastl.bundles.exporter import ExportOptions, export_subject
from kerastl.bundles.subject import Subject
from kerastl.inputs import Image
from kerastl.outputs import Classes
from kerastl.samples import Samples
from kerastl.task import Array, Task

if TYPE_CHECKING:
    import keras


def export(
    network: keras.Model,
    path: str | os.PathLike[str],
    *,
    class_names: Sequence[str],
    examples: Array | None = None,
    labels: Array | None = None,
    calibration: Array | None = None,
    files: Sequence[str | os.PathLike[str]] = (),
    details: Mapping[str, Any] | None = None,
    **options: Unpack[ExportOptions],
) -> Bundle:
    """Exports an image classifier and proves that every artifact answers like it.

    Args:
        network: a Keras model with one input, float32 ``(batch, height, width, 3)`` of pixel
            values 0 to 255 (preprocessing inside), and one output ``(batch, classes)``:
            probabilities, or scores, of which a warning is given.
        path: the folder to make; it appears whole or not at all.
        class_names: one name for each output, in the order of the outputs.
        examples: images to compare on, uint8 ``(n, height, width, 3)``, best the validation
            images. Without them parity is measured on synthetic images, and the manifest says
            so.
        labels: true labels of the examples, integers ``(n,)``: then the manifest holds every
            artifact's accuracy.
        calibration: training images, uint8 ``(n, height, width, 3)``, about 100: for int8 and
            int16x8, and to correct the weights of dynamic. Layers that have to stay in float are
            chosen on a quarter of them; the examples only judge.
        files: a few image files that become golden examples, at most 16.
        details: JSON data for manifest and card; ``backbone``, ``licence``,
            ``weights_sha256``, ``data_fingerprint``, ``metrics``, ``versions`` and
            ``training`` have places of their own.
        **options: ``formats``, ``quantize``, ``gate``, ``litert``, ``any_size``, ``overwrite`` and
            ``progress``, as in ``kerastl.bundles.export_subject``.

    Returns:
        The bundle.

    Raises:
        ConfigurationError: an argument is invalid.
        ExportError: a conversion failed or crashed; the message names the step.
        ParityError: an artifact did not pass the gate; nothing is written.
        MissingExtraError: a converter or runtime is not installed.
    """
    names = arguments.check_class_names(class_names)
    shape = networks.check_network(network, names, examples)
    arguments.check_images("calibration", calibration, shape)
    arguments.check_images("examples", examples, shape)
    output = networks.said_output(network, Classes(tuple(names)), shape, examples)
    task = Task(Image(shape[:2]), output)
    known = arguments.check_labels(labels, examples, len(names))
    samples = Samples(
        sources=() if examples is None else list(examples),
        labels=None if known is None else dict.fromkeys(task.outputs, known),
        calibration=() if calibration is None else list(calibration),
        files=arguments.read_files(files),
    )
    return export_subject(Subject(network, task, samples, dict(details or {})), path, **options)
