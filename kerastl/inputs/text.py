"""Texts: divided into token ids by a tokenizer that a bundle carries."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np

from kerastl.errors import DataWarning
from kerastl.files import read_json, write_json
from kerastl.inputs.examples import Readable, labels_by_output
from kerastl.inputs.input import BATCH, Input, Spec
from kerastl.inputs.text_probes import PROBES, SENTENCES
from kerastl.inputs.token_examples import TokenExamples, sort_tokens
from kerastl.outputs import PROBABILITIES
from kerastl.text import TOKENIZER_FILE, Tokenizer
from kerastl.text.strings import check_text, text_list

Array = np.ndarray[Any, Any]
TOKEN_IDS = "token_ids"
PADDING_MASK = "padding_mask"
PREPROCESSING = (
    "outside of the graph, by tokenizer.json; a SavedModel whose signatures include "
    "serving_default takes strings"
)


@final
@dataclasses.dataclass(frozen=True)
class Text(Input):
    """Texts as token ids.

    A source is a string that UTF-8 can hold.

    Attributes:
        tokenizer: texts to token ids.
        max_length: maximum tokens per text, start and end tokens included; longer ones are cut.
        fixed_length: the length of every text in a batch, for networks whose answers depend on
            it; None takes the next of a few lengths.
    """

    kind: ClassVar[str] = "text"
    noun: ClassVar[str] = "text"

    tokenizer: Tokenizer
    max_length: int
    fixed_length: int | None = None

    @staticmethod
    def from_manifest(manifest: Mapping[str, Any], folder: Path) -> Text:
        """The input of a bundle, with the tokenizer that lies in it."""
        settings = manifest["tokenizer"]
        tokenizer = Tokenizer.from_file(folder / TOKENIZER_FILE, pad_id=settings["pad_id"])
        return Text(tokenizer, int(settings["max_length"]))

    def as_list(self, given: Any) -> list[Any]:
        """See ``text_list``."""
        return [check_text(text) for text in text_list(given)]

    def encode(self, texts: Sequence[str]) -> list[Array]:
        """Token ids of each text, int32 ``(tokens,)``."""
        return list(self.tokenizer.encode(texts, self.max_length).ids)

    def batches(
        self, sources: Sequence[Any], *, size: int = BATCH, length: int | None = None
    ) -> Iterator[tuple[Array, Array]]:
        """Token ids int32 ``(b, length)``; texts of a batch are of about one length."""
        ids = self.encode(sources)
        found = sort_tokens(
            ids, {}, pad_id=self.tokenizer.pad_id, length=length or self.fixed_length
        )
        for start in range(0, len(found), size):
            rows = np.arange(start, min(start + size, len(found)))
            yield found.positions[rows], found.take(rows, view=0, augment=None)

    def examples(self, data: Readable, folder: Path) -> TokenExamples:
        """Token ids, sorted by length; warns of texts that were cut."""
        del folder
        encoded = self.tokenizer.encode(data.sources, self.max_length)
        if encoded.truncated:
            warnings.warn(
                f"{encoded.truncated} of {len(encoded.ids)} texts are longer than "
                f"max_length={self.max_length} tokens: their ends were cut off.",
                DataWarning,
                stacklevel=2,
            )
        return sort_tokens(
            encoded.ids,
            labels_by_output(data.labels, PROBABILITIES),
            pad_id=self.tokenizer.pad_id,
            length=self.fixed_length,
        )

    def specs(self) -> tuple[Spec, ...]:
        """Token ids and which of them are no padding, int32 of any length."""
        return tuple(
            Spec(name, "int32", (None,), {1: "length"}) for name in (TOKEN_IDS, PADDING_MASK)
        )

    def feeds(self, batch: Array) -> dict[str, Array]:
        """``token_ids`` and ``padding_mask``, 1 where a token is no padding."""
        mask = (batch != self.tokenizer.pad_id).astype(np.int32)
        return {TOKEN_IDS: batch, PADDING_MASK: mask}

    def builtin(self) -> list[Any]:
        """Sentences of several lengths and tones."""
        return list(SENTENCES)

    def probes(self) -> list[Any]:
        """What texts may hold that no data set does."""
        return list(PROBES)

    def store(self, folder: Path, name: str, sources: Sequence[Any]) -> None:
        """The strings, so that each process divides them into tokens itself."""
        write_json(folder / f"{name}.json", list(sources))

    def stored(self, folder: Path, name: str) -> list[Any]:
        """The strings."""
        found: list[Any] = read_json(folder / f"{name}.json")
        return found

    def shown(self, source: Any) -> str:
        """The beginning of a text."""
        return ascii(source[:40])

    @property
    def preprocessing(self) -> Mapping[str, Any]:
        """Outside of the graph."""
        return {"in_graph": False, "description": PREPROCESSING}

    def manifest_entries(self) -> dict[str, Any]:
        """``input`` and ``tokenizer``; ``max_length`` is the length at which texts are cut."""
        return {
            "input": {
                "name": "text",
                "encoding": "UTF-8; a lone surrogate is refused",
                TOKEN_IDS: {"dtype": "int32", "shape": [None, None]},
                PADDING_MASK: {
                    "dtype": "int32",
                    "shape": [None, None],
                    "meaning": "1 where token_ids is not pad_id, else 0",
                },
            },
            "tokenizer": {**self.tokenizer.settings, "max_length": self.max_length},
        }

    @property
    def files(self) -> tuple[str, ...]:
        """The tokenizer."""
        return (TOKENIZER_FILE,)

    def write_files(self, folder: Path) -> None:
        """Writes the tokenizer."""
        self.tokenizer.save(folder / TOKENIZER_FILE)

    @property
    def packages(self) -> Mapping[str, str]:
        """The tokenizers package."""
        return {"tokenizers": "text"}
