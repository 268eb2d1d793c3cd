"""A trained model of texts."""

from __future__ import annotations

import dataclasses
import os
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, final

import keras
import numpy as np

from kerastl.data import load_texts
from kerastl.errors import ConfigurationError, DataError, RunError
from kerastl.files import read_json, write_json
from kerastl.metrics import classification_metrics, multi_label_metrics, regression_metrics
from kerastl.model.predictions import Predictions, make_predictions
from kerastl.model.text_samples import TextSamples
from kerastl.model.trained import TrainedModel
from kerastl.text import TOKENIZER_FILE, Tokenizer
from kerastl.training import FORWARD_BATCH, Prefix, TokenExamples, sort_tokens

if TYPE_CHECKING:
    from kerastl.exporting import Bundle

Array = np.ndarray[Any, Any]
Kind = Literal["single_label", "multi_label", "regression"]
SETTINGS_FILE = "text.json"
_THRESHOLD = 0.5


@final
@dataclasses.dataclass(frozen=True)
class TextModel(TrainedModel):
    """A classifier of texts, or a regression on them.

    Its network takes token ids, int32 (n, length), and finds the padding among them by itself.

    Attributes:
        tokenizer: texts to token ids.
        max_length: the most tokens a text; what is longer is cut.
        kind: ``"single_label"``, ``"multi_label"`` or ``"regression"``.
        thresholds: of several labels, the probability from which each class is predicted.
        samples: texts that prove and calibrate an export, or None.
    """

    KIND: ClassVar[str] = "text_classification"

    tokenizer: Tokenizer = dataclasses.field(kw_only=True)
    max_length: int = dataclasses.field(kw_only=True)
    kind: Kind = "single_label"
    thresholds: tuple[float, ...] | None = None
    samples: TextSamples | None = None

    def predict(self, inputs: Any) -> Predictions:
        """Predicts the classes of texts.

        Args:
            inputs: a string, or a list of strings.

        Returns:
            Labels and probabilities, in the order of the inputs. Of several labels a tuple of
            names each; of a regression no labels, and the numbers (n, 1) as probabilities.

        Raises:
            TextError: one of them is no text.
        """
        texts = [inputs] if isinstance(inputs, str) else inputs
        if not isinstance(texts, Iterable) or isinstance(texts, (Mapping, bytes, bytearray)):
            raise ConfigurationError(
                f"Texts cannot be read from {type(inputs).__name__}: give a string or a list of "
                "strings."
            )
        outputs = self._outputs(list(texts))
        if self.kind == "single_label":
            return make_predictions(outputs, self.class_names)
        if self.kind == "regression":
            return Predictions((), outputs, ())
        chosen = outputs >= self._thresholds()
        names = np.array(self.class_names, dtype=object)
        return Predictions(tuple(tuple(names[row]) for row in chosen), outputs, self.class_names)

    def evaluate(self, data: Any, **options: Any) -> dict[str, float]:
        """Measures the model on labelled texts.

        Args:
            data: any kind of data that ``fit`` takes.
            **options: of ``kerastl.data.load_texts``, as ``text_column="message"``.

        Returns:
            Of one label ``accuracy`` with its 95 % interval, ``macro_f1``, ``loss`` and
            ``examples``; see ``kerastl.metrics`` for those of several labels and of numbers.

        Raises:
            DataError: the data's classes are not the model's.
        """
        dataset = load_texts(data, class_names=self.class_names or None, kind=self.kind, **options)
        if not len(dataset):
            raise DataError("There is not a single text.")
        return measure(dataset.labels, self._outputs(dataset.texts), self.kind, self.thresholds)

    def _outputs(self, texts: Sequence[str]) -> Array:
        encoded = self.tokenizer.encode(texts, self.max_length)
        examples = sort_tokens(encoded.ids, np.zeros(len(texts)), pad_id=self.tokenizer.pad_id)
        return predict_tokens(self.network, examples)

    def _thresholds(self) -> Array:
        return np.array(self.thresholds or [_THRESHOLD] * len(self.class_names))

    def save_extras(self, run: Path) -> None:
        """Writes tokenizer, settings and samples below a run directory."""
        self.tokenizer.save(run / TOKENIZER_FILE)
        settings = {
            "kind": self.kind,
            "max_length": self.max_length,
            "thresholds": self.thresholds,
            "tokenizer": self.tokenizer.settings,
        }
        write_json(run / SETTINGS_FILE, settings)
        if self.samples is not None:
            self.samples.save(run)

    def export(  # type: ignore[override]
        self,
        path: str | os.PathLike[str],
        *,
        formats: Sequence[str] = ("saved_model", "onnx", "litert"),
        quantize: Sequence[str] = (),
        gate: Any = None,
        overwrite: bool = False,
        progress: Callable[[str], None] | None = None,
    ) -> Bundle:
        """Exports a bundle whose every file was proved to answer like this model.

        Args:
            path: the bundle's folder; must not exist, unless ``overwrite``.
            formats: of ``"saved_model"`` (takes strings), ``"onnx"`` and ``"litert"`` (take token
                ids and a mask).
            quantize: further files: ``"dynamic"``.
            gate: how close is close enough, a ``kerastl.Gate``.
            overwrite: replace a bundle that is there.
            progress: called with one line for each step.

        Raises:
            ParityError: an artifact does not answer like the model; nothing is left at ``path``.
            ExportError: a conversion failed.
            MissingExtraError: a runtime is not installed.
        """
        from kerastl.exporting import Gate
        from kerastl.exporting.texts import export_text

        return export_text(
            self,
            path,
            formats=tuple(formats),
            quantize=tuple(quantize),
            gate=gate or Gate(),
            overwrite=overwrite,
            progress=progress,
        )


def measure(
    labels: Array, outputs: Array, kind: Kind, thresholds: tuple[float, ...] | None = None
) -> dict[str, float]:
    """The metrics of a kind of labels."""
    if kind == "regression":
        return regression_metrics(labels, outputs)
    if kind == "multi_label":
        chosen = np.array(thresholds or [_THRESHOLD] * outputs.shape[1])
        return multi_label_metrics(labels, outputs, chosen)
    return classification_metrics(labels, outputs)


# What was traced for a network stays traced as long as the network is there.
_RUNNERS: weakref.WeakKeyDictionary[keras.Model, Prefix] = weakref.WeakKeyDictionary()


def predict_tokens(network: keras.Model, examples: TokenExamples) -> Array:
    """Outputs float32 (n, outputs) of texts, in the order in which they were before sorting."""
    if network not in _RUNNERS:
        _RUNNERS[network] = Prefix(keras.Model(network.inputs[0], network.outputs))
    run = _RUNNERS[network]
    outputs = np.zeros((len(examples), int(network.outputs[0].shape[-1])), np.float32)
    for start in range(0, len(examples), FORWARD_BATCH):
        rows = np.arange(start, min(start + FORWARD_BATCH, len(examples)))
        outputs[examples.positions[rows]] = run(examples.take(rows, view=0, augment=None))[0]
    return outputs


def load_text_model(run: Path, content: Mapping[str, Any]) -> TextModel:
    """A text model out of a run directory.

    Args:
        run: the directory.
        content: what ``run_directory.read`` found there.

    Raises:
        RunError: a file is missing or damaged.
    """
    try:
        settings = read_json(run / SETTINGS_FILE)
        known = settings["tokenizer"]
        tokenizer = Tokenizer.from_file(
            run / TOKENIZER_FILE,
            pad_id=known["pad_id"],
            max_length=known["max_length"],
            lowercase=known["lowercase"],
            rule=known["rule"],
        )
        thresholds = settings["thresholds"]
        model = TextModel(
            **content,
            tokenizer=tokenizer,
            max_length=settings["max_length"],
            kind=settings["kind"],
            thresholds=None if thresholds is None else tuple(thresholds),
            samples=TextSamples.load(run),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"The run directory {run} is damaged: {error}.") from error
    if tokenizer.sha256 != known["sha256"]:
        raise RunError(f"The run directory {run} is damaged: {TOKENIZER_FILE} was changed.")
    return model
