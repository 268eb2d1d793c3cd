"""The SavedModel of a model of texts, which takes strings where its tokenizer fits in a graph.

Runs in the export worker, under TensorFlow.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from kerastl.bundles.saved_model import constants_of, convertible
from kerastl.bundles.text_parity import output_name

TOKEN_IDS = "token_ids"
PADDING_MASK = "padding_mask"


def freeze(network: Any, output: str, length: int | None = None) -> Any:
    """Traces a network for inference and turns its variables into constants.

    Args:
        network: a Keras model of token ids and a padding mask, int32 ``(n, length)`` each.
        output: what the output is called.
        length: tokens a text; None for any number.

    Returns:
        A concrete function from ``"token_ids"`` and ``"padding_mask"`` to a list with one float32
        tensor ``(n, outputs)``.
    """

    def forward(token_ids: Any, padding_mask: Any) -> Any:
        outputs = network([token_ids, padding_mask], training=False)
        return tf.identity(tf.cast(outputs, tf.float32), name=output)

    with convertible():
        traced = tf.function(forward, input_signature=_tokens(length)).get_concrete_function()
    return constants_of(traced)


def _tokens(length: int | None) -> list[Any]:
    return [
        tf.TensorSpec((None, length), tf.int32, name=name) for name in (TOKEN_IDS, PADDING_MASK)
    ]


class GraphTokenizer:
    """A tokenizer of KerasHub that TensorFlow runs in the graph, with ends, cut and filled up.

    Args:
        tokenizer: of KerasHub, without start and end tokens.
        start_ids: before every text.
        end_ids: after every text.
        pad_id: fills texts up on the right.
        max_length: the most tokens a text, start and end tokens included.
    """

    def __init__(
        self,
        tokenizer: Any,
        *,
        start_ids: Sequence[int],
        end_ids: Sequence[int],
        pad_id: int,
        max_length: int,
    ) -> None:
        self._tokenizer = tokenizer
        self._start, self._end = list(start_ids), list(end_ids)
        self._pad_id = pad_id
        self._traced: Any = None
        # KerasHub reads a SentencePiece model when it is first needed: too late for a graph.
        getattr(tokenizer, "_maybe_initialized_tf", lambda: None)()
        # It is a resource, which a SavedModel keeps where it finds it.
        self.resource = getattr(tokenizer, "_sentence_piece", None)
        self._room = max_length - len(self._start) - len(self._end)

    def bare(self, text: Any) -> Any:
        """Strings ``(n,)`` to ragged ids ``(n, None)``, neither cut nor with ends."""
        # What is no UTF-8 is refused, as everywhere else; TensorFlow would read it as U+FFFD.
        valid = tf.strings.unicode_transcode(text, "UTF-8", "UTF-8", errors="strict")
        if self.resource is None:
            # WordPiece's operations end a text at a NUL, which elsewhere is a blank as others are.
            valid = tf.strings.regex_replace(valid, "\\x00", " ")
        return self._tokenizer(valid)

    def __call__(self, text: Any) -> tuple[Any, Any]:
        """Strings ``(n,)`` to token ids and padding mask, int32 ``(n, length)``."""
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
        if self._traced is None:
            signature = [tf.TensorSpec((None,), tf.string)]
            self._traced = tf.function(self.bare, input_signature=signature)
        return self._traced(tf.constant(list(texts), dtype=tf.string))


def write(
    frozen: Any,
    path: Path,
    class_names: Sequence[str],
    *,
    kind: str,
    tokenizer: GraphTokenizer | None,
) -> dict[str, Any]:
    """Writes a SavedModel with ``serve_tokens`` and, with a tokenizer, ``serving_default``.

    Args:
        frozen: of :func:`freeze`, for any length.
        path: the folder to write.
        class_names: become the asset labels.txt.
        kind: ``"single_label"`` adds ``label`` to what ``serving_default`` gives;
            ``"embedding"`` calls its output so.
        tokenizer: None leaves ``serving_default`` out.

    Returns:
        What the manifest says of it beside its parity.
    """
    names = tf.constant(list(class_names), dtype=tf.string)
    output = output_name(kind)

    def infer(ids: Any, mask: Any) -> Any:
        return tf.nest.flatten(frozen(token_ids=ids, padding_mask=mask))[0]

    def serve_tokens(token_ids: Any, padding_mask: Any) -> dict[str, Any]:
        return {output: infer(token_ids, padding_mask)}

    def serving_default(text: Any) -> dict[str, Any]:
        assert tokenizer is not None
        outputs = infer(*tokenizer(text))
        if kind != "single_label":
            return {output: outputs}
        return {output: outputs, "label": tf.gather(names, tf.argmax(outputs, axis=-1))}

    module = tf.Module()
    module.serve_tokens = tf.function(serve_tokens, input_signature=_tokens(None))
    signatures = {"serve_tokens": module.serve_tokens}
    if tokenizer is not None:
        module.tokenizer = tokenizer.resource
        module.serving_default = tf.function(
            serving_default, input_signature=[tf.TensorSpec((None,), tf.string, name="text")]
        )
        signatures["serving_default"] = module.serving_default
    _save(module, path, signatures, class_names)
    fingerprint = tf.saved_model.experimental.read_fingerprint(str(path))
    return {
        "fingerprint": f"{fingerprint.saved_model_checksum:016x}",
        "signatures": sorted(signatures),
    }


def write_tokens(frozen: Any, path: Path, output: str, length: int) -> None:
    """Writes what LiteRT converts from: ``serving_default`` takes tokens of a fixed length."""

    def serving_default(token_ids: Any, padding_mask: Any) -> dict[str, Any]:
        found = frozen(token_ids=token_ids, padding_mask=padding_mask)
        return {output: tf.nest.flatten(found)[0]}

    module = tf.Module()
    module.serving_default = tf.function(serving_default, input_signature=_tokens(length))
    _save(module, path, {"serving_default": module.serving_default}, ())


def _save(module: Any, path: Path, signatures: dict[str, Any], class_names: Sequence[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        labels = Path(folder) / "labels.txt"
        labels.write_text("".join(f"{name}\n" for name in class_names), encoding="utf-8")
        module.labels = tf.saved_model.Asset(str(labels))
        # A frozen graph is not trained: custom gradients would capture what is gone.
        options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
        tf.saved_model.save(module, str(path), signatures=signatures, options=options)
