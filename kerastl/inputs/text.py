"""Texts: divided into token ids by a tokenizer that a bundle carries."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np

from kerastl.errors import ConfigurationError, DataWarning, counted
from kerastl.files import atomic_file, read_json, write_json
from kerastl.inputs import text_golden
from kerastl.inputs.examples import Readable
from kerastl.inputs.input import BATCH, GoldenFiles, GoldenLabels, Input, Spec
from kerastl.inputs.reading import Reader
from kerastl.inputs.text_features import tfidf
from kerastl.inputs.text_probes import PROBES, SENTENCES
from kerastl.inputs.text_reading import TEXTS
from kerastl.inputs.token_examples import TokenExamples, padded_lengths, sort_tokens
from kerastl.text import TOKENIZER_FILE, SentencePieceSource, Tokenizer, check_equal, to_hub
from kerastl.text.strings import check_text, text_list

Array = np.ndarray[Any, Any]
# Characters of a text that tables and pages show.
_EXCERPT = 200
TOKEN_IDS = "token_ids"
PADDING_MASK = "padding_mask"
_SENTENCE_PIECE, _SENTENCE_PIECE_CLASS = "sentencepiece.model", "sentencepiece.json"


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
    reading_step: ClassVar[str] = "tokenising"
    proof_step: ClassVar[str | None] = "comparing tokenizers"
    reader: ClassVar[Reader] = TEXTS
    preprocessing: ClassVar[Mapping[str, Any]] = {
        "in_graph": False,
        "description": (
            "outside of the graph, by tokenizer.json; a SavedModel whose signatures include "
            "serving_default takes strings"
        ),
    }
    files: ClassVar[tuple[str, ...]] = (TOKENIZER_FILE,)
    packages: ClassVar[Mapping[str, str]] = {"tokenizers": "text"}
    runner_packages: ClassVar[tuple[str, ...]] = ("tokenizers", "numpy")
    runner_example: ClassVar[str] = '"a text"'
    features_name: ClassVar[str] = "TF-IDF of words and pairs of words"

    tokenizer: Tokenizer
    max_length: int
    fixed_length: int | None = None

    @staticmethod
    def from_manifest(
        manifest: Mapping[str, Any], folder: Path, packed: Path | None = None
    ) -> Text:
        """The input of a bundle, with the tokenizer that lies in it."""
        settings = manifest["tokenizer"]
        options: dict[str, Any] = {}
        if packed is not None:
            options = {"lowercase": settings["lowercase"], "rule": settings["rule"]}
            if (packed / _SENTENCE_PIECE_CLASS).exists():
                options["sentence_piece"] = SentencePieceSource(
                    (packed / _SENTENCE_PIECE).read_bytes(),
                    read_json(packed / _SENTENCE_PIECE_CLASS),
                )
        tokenizer = Tokenizer.from_file(
            folder / TOKENIZER_FILE, pad_id=settings["pad_id"], **options
        )
        return Text(tokenizer, int(settings["max_length"]))

    @staticmethod
    def from_run(config: Mapping[str, Any], run: Path) -> Text:
        """The input of a run directory, with its tokenizer."""
        known = config["tokenizer"]
        source = None
        if config["sentence_piece"] is not None:
            source = SentencePieceSource(
                (run / _SENTENCE_PIECE).read_bytes(), config["sentence_piece"]
            )
        tokenizer = Tokenizer.from_file(
            run / TOKENIZER_FILE,
            pad_id=known["pad_id"],
            max_length=known["max_length"],
            lowercase=known["lowercase"],
            rule=known["rule"],
            sentence_piece=source,
        )
        if tokenizer.sha256 != known["sha256"]:
            raise ValueError(f"{TOKENIZER_FILE} was changed")
        return Text(tokenizer, config["max_length"], config["fixed_length"])

    def save(self, run: Path) -> dict[str, Any]:
        """Writes the tokenizer."""
        self.tokenizer.save(run / TOKENIZER_FILE)
        source = self.tokenizer.sentence_piece
        if source is not None:
            with atomic_file(run / _SENTENCE_PIECE) as temporary:
                temporary.write_bytes(source.proto)
        return {
            "max_length": self.max_length,
            "fixed_length": self.fixed_length,
            "tokenizer": self.tokenizer.settings,
            "sentence_piece": None if source is None else source.tokenizer,
        }

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
        wanted = length or self.fixed_length
        found = sort_tokens(self.encode(sources), {}, pad_id=self.tokenizer.pad_id, length=wanted)
        for start in range(0, len(found), size):
            rows = np.arange(start, min(start + size, len(found)))
            yield found.positions[rows], found.take(rows, view=0, augment=None)

    def examples(self, data: Readable, folder: Path) -> TokenExamples:
        """Token ids, sorted by length; warns of texts that were cut."""
        encoded = self.tokenizer.encode(data.sources, self.max_length)
        if encoded.truncated:
            total = counted(len(encoded.ids), "text")
            verb, ends = (
                ("is", "its end was") if encoded.truncated == 1 else ("are", "their ends were")
            )
            warnings.warn(
                f"{encoded.truncated} of {total} {verb} longer than max_length={self.max_length} "
                f"tokens: {ends} cut off.",
                DataWarning,
                stacklevel=2,
            )
        return sort_tokens(
            encoded.ids,
            data.targets,
            pad_id=self.tokenizer.pad_id,
            length=self.fixed_length,
            texts=data.sources,
        )

    def specs(self, *, fixed_lengths: bool = False) -> tuple[Spec, ...]:
        """Token ids and which of them are not padding, int32."""
        names = (TOKEN_IDS, PADDING_MASK)
        if fixed_lengths:
            return tuple(Spec(name, "int32", (self.max_length,)) for name in names)
        # As batches are filled up.
        limits = {"length": int(padded_lengths(np.array(self.max_length)))}
        return tuple(Spec(name, "int32", (None,), {1: "length"}, limits) for name in names)

    def length_in(self, shapes: Mapping[str, tuple[int | None, ...]]) -> int | None:
        """That of the token ids."""
        return shapes[TOKEN_IDS][0]

    def for_export(self, network: Any) -> Any:
        """The network with its padding mask as a second input."""
        from kerastl.backbones import MASK_LAYER
        from kerastl.graph import with_input

        return with_input(network, MASK_LAYER, name=PADDING_MASK)

    def one_by_one(
        self, feeds: Mapping[str, Array], *, length: int | None = None
    ) -> Iterator[dict[str, Array]]:
        """Each text without padding where any length is taken: its answer may depend on it."""
        if length is not None:
            yield from super().one_by_one(feeds)
            return
        for ids, mask in zip(feeds[TOKEN_IDS], feeds[PADDING_MASK], strict=True):
            # Padding is on the right: up to the last token that counts.
            end = int(np.flatnonzero(mask)[-1]) + 1 if mask.any() else 1
            yield {TOKEN_IDS: ids[None, :end], PADDING_MASK: mask[None, :end]}

    def feeds(self, batch: Array) -> dict[str, Array]:
        """``token_ids`` and ``padding_mask``, 1 where a token is not padding."""
        mask = (batch != self.tokenizer.pad_id).astype(np.int32)
        return {TOKEN_IDS: batch, PADDING_MASK: mask}

    def quantized_formats(self, quantization: str) -> tuple[str, ...]:
        """ONNX too: of images its quantised convolutions lose too many labels."""
        return ("onnx", "litert")

    @property
    def builtin(self) -> tuple[list[Any], str]:
        """Sentences of several lengths and tones."""
        return list(SENTENCES), "built-in"

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

    def pack(self, folder: Path) -> None:
        """Writes what a unigram tokenizer was made of."""
        source = self.tokenizer.sentence_piece
        if source is not None:
            (folder / _SENTENCE_PIECE).write_bytes(source.proto)
            write_json(folder / _SENTENCE_PIECE_CLASS, source.tokenizer)

    def prove(self, sources: Sequence[Any]) -> dict[str, Any]:
        """Compares the ids with KerasHub's own; raises TokenizerError where they differ."""
        try:
            hub = to_hub(self.tokenizer)
        except ConfigurationError as error:
            return {"tokenizer": {"equality": {"checked": False, "reason": str(error)}}}
        found = check_equal(self.tokenizer, hub, sources)
        equality = {"checked": True, "texts": found.texts, "ties": found.ties}
        return {"tokenizer": {"equality": equality}}

    def golden_rows(self, examples: Sequence[Any], probes: Sequence[Any]) -> Array:
        """Some of the examples, with a long one and one in capitals; probes that are not long."""
        return text_golden.chosen(examples, probes)

    def write_golden(
        self, folder: Path, sources: Sequence[Any], labels: GoldenLabels, files: GoldenFiles
    ) -> None:
        """Texts with their token ids and labels."""
        text_golden.write(folder, sources, labels, self.encode(sources), self.tokenizer)

    def read_golden(self, folder: Path) -> tuple[list[Any], int, dict[int, dict[str, Any]]]:
        """The texts."""
        entries = read_json(folder / text_golden.TEXTS)
        labels = {
            index: {"network": entry["label"], **entry["artifacts"]}
            for index, entry in enumerate(entries)
        }
        return [check_text(entry["text"]) for entry in entries], 0, labels

    def check_golden(self, folder: Path, manifest: Mapping[str, Any]) -> None:
        """Compares the token ids with those of the export."""
        text_golden.check(folder, self.tokenizer, self.encode, manifest["tokenizer"])

    def shown(self, source: Any) -> str:
        """The beginning of a text."""
        return ascii(source[:40])

    def excerpt(self, source: Any) -> str | None:
        """The beginning of a text on one line."""
        line = " ".join(source.split())
        return line if len(line) <= _EXCERPT else line[: _EXCERPT - 4] + " ..."

    def simple_features(
        self, sources: Sequence[Any], state: Mapping[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]] | None:
        """See ``kerastl.inputs.text_features.tfidf``."""
        return tfidf(sources, state)

    def manifest_entries(self) -> dict[str, Any]:
        """``input`` and ``tokenizer``; ``max_length`` is the length at which texts are cut."""
        return {
            "input": {
                "kind": self.kind,
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

    def write_files(self, folder: Path) -> None:
        """Writes the tokenizer."""
        self.tokenizer.save(folder / TOKENIZER_FILE)

    def how_to_feed(self, manifest: Mapping[str, Any]) -> str:
        """Tokens."""
        settings = manifest["tokenizer"]
        return (
            "A text is divided into tokens by `tokenizer.json` (package `tokenizers`), cut to "
            f"{settings['max_length']} tokens with the start tokens {settings['start_ids']} and "
            f"the end tokens {settings['end_ids']}, and filled up on the right with "
            f"{settings['pad_id']}. The artifacts take `{TOKEN_IDS}` and `{PADDING_MASK}` (1 where "
            "a token is no filling), int32 `(batch, length)` each."
        )

    def notes_on(self, entry: Mapping[str, Any], answers: str) -> list[str]:
        """Strings, and texts of one length."""
        if "length" in entry and entry["quantization"] is None:
            return [f"LiteRT files take texts of exactly {entry['length']} tokens, filled up."]
        if "takes_strings" not in entry:
            return []
        if not entry["takes_strings"]:
            return [
                f"The SavedModel's one signature, `serve_tokens`, takes `{TOKEN_IDS}` and "
                f"`{PADDING_MASK}`. It takes no strings: {entry['no_strings_because']}"
            ]
        return [
            "The SavedModel takes strings: `serving_default` turns `text`, a vector of UTF-8 "
            f"strings, into {answers}; `serve_tokens` takes `{TOKEN_IDS}` and `{PADDING_MASK}`. "
            "`import tensorflow_text` before you load it: its tokenizer's operators come from "
            "there."
        ]

    def caveats(self, manifest: Mapping[str, Any]) -> list[str]:
        """What is cut, and what was not compared."""
        settings = manifest["tokenizer"]
        lines = [
            f"What is longer than {settings['max_length']} tokens is cut: the end of a long text "
            "is not seen.",
            "It was proved on texts like those that it was trained on; of texts in other "
            "languages expect nothing.",
        ]
        equality = settings["equality"]
        if not equality["checked"]:
            lines.append(f"The tokenizer was not compared with KerasHub's: {equality['reason']}")
        return lines
