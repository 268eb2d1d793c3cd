"""A head of the user's own layers, between the backbone and the last layers."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Self, final

import keras

from kerastl.errors import ConfigurationError
from kerastl.graph import POOLING_LAYER
from kerastl.heads.layers import Outputs, attach_outputs

_LAST = ("softmax", "sigmoid")


@final
@dataclasses.dataclass(frozen=True)
class OwnHead:
    """Layers of Keras as a head.

    They get what the backbone gives: of images a feature map (n, height, width, features), tokens
    (n, tokens, features) or a vector (n, features); of texts the pooled vector. What they leave of
    positions is averaged. The last layer, which gives classes or numbers, is added to them.

    Attributes:
        layers: what ``keras.layers.serialize`` gives of each, in order; their names do not count.
    """

    layers: Sequence[Mapping[str, Any]]

    @classmethod
    def of(cls, head: Any, instead: str = "Head") -> Self:
        """The layers of a ``keras.Sequential``, a list of layers, or one layer.

        ``instead`` is the class of kerastl's own head, for messages.

        Raises:
            ConfigurationError: it is something else, cannot be written down, or ends in the layer
                that is added.
        """
        given = head.layers if isinstance(head, keras.Sequential) else head
        given = list(given) if isinstance(given, (list, tuple)) else [given]
        if not given or not all(isinstance(layer, keras.layers.Layer) for layer in given):
            raise ConfigurationError(
                f"head={head!r}; give a kerastl.{instead}, a keras.Sequential or a list of Keras "
                "layers."
            )
        if isinstance(given[0], keras.Model):
            raise ConfigurationError(
                "head is a keras.Model. Give a keras.Sequential or a list of layers."
            )
        kept = [layer for layer in given if not isinstance(layer, keras.layers.InputLayer)]
        last: Any = kept[-1] if kept else None
        if getattr(getattr(last, "activation", None), "__name__", "") in _LAST:
            raise ConfigurationError(
                f"The head ends in {last.name!r}, which looks like the layer that gives the "
                "classes. Leave it out: kerastl adds the one that fits the labels."
            )
        return cls([_settings(layer, index) for index, layer in enumerate(kept)])

    def attach(self, features: Any, outputs: Outputs, *, seed: int) -> Any:
        """Attaches copies of the layers, and then the last layers.

        Returns a KerasTensor (n, width), float32; of several outputs a list of them.
        """
        x = features
        if x._keras_history.operation.name != POOLING_LAYER:
            # What is before this layer is frozen in a head phase, and what comes after it trains.
            x = keras.layers.Identity(name=POOLING_LAYER)(x)
        for settings in self.layers:
            try:
                x = keras.layers.deserialize(copy.deepcopy(dict(settings)))(x)
            except (TypeError, ValueError) as error:
                reason = str(error).strip().splitlines()[0]
                raise ConfigurationError(
                    f"The head's layer {settings['class_name']} does not fit what comes before it, "
                    f"of the shape {tuple(x.shape)}: {reason}"
                ) from error
        positions = list(range(1, len(x.shape) - 1))
        if positions:
            x = keras.ops.mean(x, axis=positions)
        return attach_outputs(x, outputs, seed=seed)

    @property
    def is_linear(self) -> bool:
        """Whether there is no layer at all between the features and the last layers."""
        return not self.layers

    def check(self) -> None:
        """Raises ConfigurationError where the layers cannot be made again."""
        for settings in self.layers:
            try:
                keras.layers.deserialize(copy.deepcopy(dict(settings)))
            except (TypeError, ValueError) as error:
                raise ConfigurationError(
                    f"The head's layer {settings['class_name']} cannot be made of its settings: "
                    "register its class with keras.saving.register_keras_serializable, and give "
                    "it a get_config."
                ) from error


def _settings(layer: Any, index: int) -> Mapping[str, Any]:
    try:
        found: dict[str, Any] = keras.layers.serialize(layer)
    except (NotImplementedError, TypeError, ValueError) as error:
        raise ConfigurationError(
            f"The head's layer {layer.name!r} cannot be written down: give its class a get_config."
        ) from error
    # Keras numbers layers by what else a process made: a resumed run would find other names.
    found["config"] = {**found["config"], "name": f"head_layer_{index}"}
    return {key: value for key, value in found.items() if key != "build_config"}
