"""What all trained models of texts share: a tokenizer before the network."""

from __future__ import annotations

import abc
import dataclasses
import os
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from kerastl.errors import ConfigurationError, RunError
from kerastl.files import atomic_file, read_json, write_json
from kerastl.model.text_samples import TextSamples
from kerastl.model.trained import TrainedModel
from kerastl.text import TOKENIZER_FILE, SentencePieceSource, Tokenizer
from kerastl.training import FORWARD_BATCH, Prefix, TokenExamples, sort_tokens

if TYPE_CHECKING:
    from kerastl.bundles import Bundle

Array = np.ndarray[Any, Any]
SETTINGS_FILE = "text.json"
SENTENCE_PIECE_FILE = "sentencepiece.model"


@dataclasses.dataclass(frozen=True)
class TokenModel(TrainedModel):
    """A model of texts.

    Its network takes token ids, int32 (n, length), and finds the padding among them by itself.

    Attributes:
        tokenizer: texts to token ids.
        max_length: the most tokens a text; what is longer is cut.
        samples: texts that prove and calibrate an export, or None.
    """

    tokenizer: Tokenizer = dataclasses.field(kw_only=True)
    max_length: int = dataclasses.field(kw_only=True)
    samples: TextSamples | None = dataclasses.field(default=None, kw_only=True)

    @abc.abstractmethod
    def settings(self) -> dict[str, Any]:
        """What a run directory keeps of this kind of model beside its tokenizer."""

    def outputs(self, texts: Sequence[str]) -> Array:
        """What the network gives for texts, float32 (n, outputs)."""
        encoded = self.tokenizer.encode(texts, self.max_length)
        examples = sort_tokens(encoded.ids, {}, pad_id=self.tokenizer.pad_id)
        return predict_tokens(self.network, examples)

    def save_extras(self, run: Path) -> None:
        """Writes tokenizer, settings and samples below a run directory."""
        self.tokenizer.save(run / TOKENIZER_FILE)
        settings = {
            **self.settings(),
            "max_length": self.max_length,
            "tokenizer": self.tokenizer.settings,
        }
        source = self.tokenizer.sentence_piece
        if source is not None:
            settings["sentence_piece"] = source.tokenizer
            with atomic_file(run / SENTENCE_PIECE_FILE) as temporary:
                temporary.write_bytes(source.proto)
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
        from kerastl.bundles import Gate
        from kerastl.bundles.texts import export_text

        return export_text(
            self,
            path,
            formats=tuple(formats),
            quantize=tuple(quantize),
            gate=gate or Gate(),
            overwrite=overwrite,
            progress=progress,
        )


def as_texts(inputs: Any) -> list[str]:
    """A string, or any number of strings, as a list.

    Raises:
        ConfigurationError: it is neither.
    """
    texts = [inputs] if isinstance(inputs, str) else inputs
    if not isinstance(texts, Iterable) or isinstance(texts, (Mapping, bytes, bytearray)):
        raise ConfigurationError(
            f"Texts cannot be read from {type(inputs).__name__}: give a string or a list of "
            "strings."
        )
    return list(texts)


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


def read_texts_of(run: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a run directory holds of a model of texts.

    Returns:
        The attributes that every ``TokenModel`` has, and its settings.

    Raises:
        RunError: a file is missing or damaged.
    """
    try:
        settings = dict(read_json(run / SETTINGS_FILE))
        known = settings["tokenizer"]
        tokenizer = Tokenizer.from_file(
            run / TOKENIZER_FILE,
            pad_id=known["pad_id"],
            max_length=known["max_length"],
            lowercase=known["lowercase"],
            rule=known["rule"],
            sentence_piece=_sentence_piece(run, settings.get("sentence_piece")),
        )
        parts = {"max_length": settings["max_length"], "samples": TextSamples.load(run)}
        unchanged = tokenizer.sha256 == known["sha256"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"The run directory {run} is damaged: {error}.") from error
    if not unchanged:
        raise RunError(f"The run directory {run} is damaged: {TOKENIZER_FILE} was changed.")
    return {"tokenizer": tokenizer, **parts}, settings


def _sentence_piece(run: Path, tokenizer: str | None) -> SentencePieceSource | None:
    """What a unigram tokenizer was made of; None of other kinds."""
    if tokenizer is None:
        return None
    return SentencePieceSource((run / SENTENCE_PIECE_FILE).read_bytes(), tokenizer)
