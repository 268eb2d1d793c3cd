"""SavedModels of texts: strings, divided into tokens in the graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from kerastl.errors import ConfigurationError, TokenizerError
from kerastl.formats.pairs.string_signature import StringSignature
from kerastl.text import check_equal, to_hub
from kerastl.text.strings import check_text

_NO_STRINGS = "KerasHub's byte pairs give other ids in a graph than outside"


class Strings(StringSignature):
    """The signature ``serving_default`` of strings, beside ``serve_tokens``."""

    signature = "serving_default"
    tensor = "text"
    tensors = "serve_tokens"
    packages: ClassVar[Mapping[str, str]] = {"tensorflow_text": "text-serving"}

    def signatures(
        self, conversion: Any, module: Any, infer: Any
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """``serving_default``, where the tokenizer gives the same ids in a graph."""
        tokenizer, why = graph_tokenizer(conversion.input, conversion.sources)
        facts = {"takes_strings": tokenizer is not None, "no_strings_because": why}
        if tokenizer is None:
            return {}, facts

        module.tokenizer = tokenizer.resource
        module.serve_strings = self.served(conversion, infer, tokenizer)
        return {self.signature: module.serve_strings}, facts

    def items(self, sources: Sequence[Any]) -> dict[int, Any]:
        """All of the sources."""
        return {index: check_text(text) for index, text in enumerate(sources)}


def graph_tokenizer(input: Any, texts: Sequence[str]) -> tuple[GraphTokenizer | None, str | None]:
    """A tokenizer for the graph, proved on texts; or None, and why there is none.

    Raises TokenizerError where a WordPiece tokenizer gives other ids in the graph.
    """
    tokenizer = input.tokenizer
    try:
        hub = to_hub(tokenizer)
    except ConfigurationError as error:
        return None, str(error)
    if tokenizer.algorithm == "byte_pair":
        return None, _NO_STRINGS
    in_graph = GraphTokenizer(hub, tokenizer, input.max_length)
    try:
        check_equal(tokenizer, in_graph.ids_of, texts, allow_ties=False)
    except TokenizerError as error:
        if tokenizer.algorithm == "word_piece":
            raise
        # Of two ways to divide a text that are as likely, rounding chooses.
        return None, f"TensorFlow's own tokenizer gives other ids. {error}"
    return in_graph, None


class GraphTokenizer:
    """A tokenizer of KerasHub in the graph; cut, ended and padded as kerastl's own is.

    Texts hold at most ``max_length`` tokens, start and end tokens included.
    """

    def __init__(self, hub: Any, tokenizer: Any, max_length: int) -> None:
        self._tokenizer = hub
        self._start, self._end = list(tokenizer.start_ids), list(tokenizer.end_ids)
        self._pad_id = tokenizer.pad_id
        self._traced: Any = None
        # KerasHub reads a SentencePiece model when it is first needed: too late for a graph.
        getattr(hub, "_maybe_initialized_tf", lambda: None)()
        # It is a resource, which a SavedModel keeps where it finds it.
        self.resource = getattr(hub, "_sentence_piece", None)
        self._room = max_length - len(self._start) - len(self._end)

    def bare(self, text: Any) -> Any:
        """Strings ``(n,)`` to ragged ids ``(n, None)``, neither cut nor with ends."""
        import tensorflow as tf

        # What is no UTF-8 is refused, as everywhere else; TensorFlow would read it as U+FFFD.
        valid = tf.strings.unicode_transcode(text, "UTF-8", "UTF-8", errors="strict")
        if self.resource is None:
            # WordPiece's operations end a text at a NUL, which elsewhere is a blank as others are.
            valid = tf.strings.regex_replace(valid, "\\x00", " ")
        return self._tokenizer(valid)

    def __call__(self, text: Any) -> tuple[Any, Any]:
        """Strings ``(n,)`` to token ids and padding mask, int32 ``(n, length)``."""
        import tensorflow as tf

        rows = tf.shape(text)[0]

        def ends(ids: list[int]) -> Any:
            return tf.tile(tf.constant([ids], dtype=tf.int32), [rows, 1])

        whole = [tf.cast(self.bare(text)[:, : self._room], tf.int32)]
        # An empty piece would be a ragged row of its own kind.
        whole = [*([ends(self._start)] if self._start else []), *whole]
        whole += [ends(self._end)] if self._end else []
        ids = tf.concat(whole, axis=1).to_tensor(self._pad_id)
        return ids, tf.cast(tf.not_equal(ids, self._pad_id), tf.int32)

    def ids_of(self, texts: Sequence[str]) -> Any:
        """Ragged ids as the graph gives them, for ``kerastl.text.check_equal``."""
        import tensorflow as tf

        if self._traced is None:
            signature = [tf.TensorSpec((None,), tf.string)]
            self._traced = tf.function(self.bare, input_signature=signature)
        return self._traced(tf.constant(list(texts), dtype=tf.string))
