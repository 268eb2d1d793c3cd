"""What all SavedModels that take strings have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

_AT_ONCE = 32


class StringSignature:
    """A signature of strings in a SavedModel, beside the one of tensors, which is ``tensors``.

    ``tensor`` is the name of its input, and ``packages`` are the modules that it needs, each with
    the extra that brings it.
    """

    signature: ClassVar[str]
    tensor: ClassVar[str]
    tensors: ClassVar[str] = "serving_default"
    packages: ClassVar[Mapping[str, str]] = {}

    def served(self, conversion: Any, infer: Any, read: Callable[[Any], Sequence[Any]]) -> Any:
        """A function of strings ``(n,)``, which ``read`` turns into what the network takes.

        It gives the outputs, and ``label`` where the only one has one class for each example.
        """
        import tensorflow as tf

        [(name, output), *others] = conversion.outputs.items()

        def serve(strings: Any) -> dict[str, Any]:
            found: dict[str, Any] = infer(*read(strings))
            if others or not output.names_one_class:
                return found
            names = tf.constant(list(output.class_names))
            return {**found, "label": tf.gather(names, tf.argmax(found[name], axis=-1))}

        spec = tf.TensorSpec((None,), tf.string, name=self.tensor)
        return tf.function(serve, input_signature=[spec])

    def is_held(self, session: Any) -> bool:
        """Whether a SavedModel has the signature."""
        return self.signature in session.signatures

    def run(self, session: Any, items: Sequence[Any]) -> dict[str, Any]:
        """Outputs of strings."""
        parts = [
            session.call(self.signature, self.tensor, list(items[start : start + _AT_ONCE]))
            for start in range(0, len(items), _AT_ONCE)
        ]
        return {
            key: [name for part in parts for name in part[key]]
            if isinstance(parts[0][key], list)
            else np.concatenate([part[key] for part in parts])
            for key in parts[0]
        }
