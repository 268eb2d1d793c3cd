"""Makes a network ready for the worker: checked, in float32, saved with what loads it."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerastl.errors import ConfigurationError, ExportError
from kerastl.inputs import Image
from kerastl.outputs import Classes, Output
from kerastl.outputs.classes import SCORES

if TYPE_CHECKING:
    import keras
    import numpy as np

    from kerastl.task import Task

_FEW = 4
_REDUCED = ("mixed_float16", "mixed_bfloat16", "float16", "bfloat16")


def check_network(
    network: keras.Model, class_names: list[str], examples: np.ndarray[Any, Any] | None
) -> tuple[int, int, int]:
    """The input shape ``(height, width, 3)`` of a classifier.

    Raises ConfigurationError where the network is none that can be exported.
    """
    inputs, outputs = getattr(network, "inputs", None), getattr(network, "outputs", None)
    if not inputs or not outputs:
        raise ConfigurationError(
            "The network has no symbolic inputs and outputs: build it as a Functional or "
            "Sequential model with a keras.Input, and export that."
        )
    if len(inputs) != 1 or len(outputs) != 1:
        raise ConfigurationError(
            "An image classifier has one input and one output; received "
            f"{len(inputs)} inputs and {len(outputs)} outputs."
        )
    _refuse_dict(network)
    given = tuple(inputs[0].shape)
    shape = given[1:]
    if len(shape) != 3 or shape[2] != 3:
        raise ConfigurationError(
            "The input must have the shape (batch, height, width, 3), RGB with channels last; "
            f"received {given}."
        )
    if None in shape:
        if examples is None:
            raise ConfigurationError(
                f"The input has no fixed size: {given}. Pass examples=, whose size is then taken, "
                "or build the network with keras.Input((height, width, 3))."
            )
        shape = tuple(examples.shape[1:])
    classes = outputs[0].shape
    if len(classes) != 2:
        raise ConfigurationError(
            f"The output must have the shape (batch, classes); received {tuple(classes)}."
        )
    if classes[1] != len(class_names):
        raise ConfigurationError(
            f"The network has {classes[1]} outputs and class_names has {len(class_names)} "
            f"entries: {class_names[:5]}. Pass one name per output, in the order of the outputs."
        )
    if classes[1] == 1:
        raise ConfigurationError(
            f"A classifier has two classes or more; this one has {class_names}. A network with one "
            "sigmoid output p becomes one of two classes by keras.layers.Concatenate()([1 - p, p])."
        )
    return int(shape[0]), int(shape[1]), 3


def _refuse_dict(network: keras.Model) -> None:
    # A Sequential model has no ``output``.
    answered = getattr(network, "output", None)
    if isinstance(answered, dict):
        values = [f"network.output[{key!r}]" for key in answered]
        listed = values[0] if len(values) == 1 else f"[{', '.join(values)}]"
        raise ConfigurationError(
            "The network answers with a dict. Export one that answers with what is in it, in the "
            f"order of the task's outputs: keras.Model(network.input, {listed})."
        )


def check_outputs(network: keras.Model, task: Task) -> None:
    """Checks that a network has the outputs that a task says; raises ConfigurationError."""
    _refuse_dict(network)
    found = [tuple(tensor.shape) for tensor in network.outputs]
    wanted = [output.width for output in task.outputs.values()]
    if [shape[1:] for shape in found] != [(width,) for width in wanted]:
        named = ", ".join(
            f"{name} (n, {width})" for name, width in zip(task.outputs, wanted, strict=True)
        )
        raise ConfigurationError(
            f"The network's outputs have the shapes {found}, and the task says: {named}. Class "
            "names are one for each output, and none for a regression."
        )


def said_output(
    network: keras.Model,
    output: Classes,
    shape: tuple[int, int, int],
    examples: np.ndarray[Any, Any] | None,
) -> dict[str, Output]:
    """A classifier's output under a name that is true of its numbers; warns where they are scores.

    A few examples, or images that are made here, tell which they are.
    """
    import numpy as np

    shown = Image(shape[:2]).builtin[0] if examples is None else examples
    some = np.stack(list(shown[:_FEW]))
    answers = np.asarray(network(some.astype(network.inputs[0].dtype), training=False))
    meaning = output.meaning(answers)
    if meaning != SCORES or not np.isfinite(answers).all():
        return {output.tensor: output}
    warnings.warn(
        "The network ends in scores, not in probabilities: they do not sum to 1. The bundle says "
        f"so: its output is called {SCORES!r}, and predict and the runners give their softmax as "
        "probabilities. If the network should end in probabilities, add keras.layers.Softmax().",
        UserWarning,
        stacklevel=3,
    )
    return {SCORES: output.as_said(SCORES)}


def in_float32(network: keras.Model) -> tuple[keras.Model, str | None]:
    """The network, and None; or its float32 clone, and the reduced policy of its layers."""
    import keras

    from kerastl.graph.layers import all_layers

    policies = {layer.dtype_policy.name for layer in all_layers(network)}
    reduced = sorted(policies & set(_REDUCED))
    if not reduced:
        return network, None
    config = keras.saving.serialize_keras_object(network)
    clone = keras.saving.deserialize_keras_object(_with_float32(config))
    clone.set_weights(network.get_weights())
    return clone, reduced[0]


def _with_float32(value: Any, key: str = "") -> Any:
    if isinstance(value, dict):
        if value.get("class_name") == "DTypePolicy":
            return {**value, "config": {**value["config"], "name": "float32"}}
        # The compiled state names an optimizer, which an export has no use for.
        return {
            name: _with_float32(item, name)
            for name, item in value.items()
            if name not in ("compile_config", "build_config")
        }
    if isinstance(value, list | tuple):
        return type(value)(_with_float32(item, key) for item in value)
    return "float32" if key == "dtype" and value in _REDUCED else value


def modules_of(network: keras.Model) -> list[str]:
    """Modules that must be imported before the network can be loaded.

    They hold its own layers, and what layers were given: activations, regularisers and the like.
    Raises ConfigurationError where one is the main script, which no worker finds.
    """
    import keras

    from kerastl.graph.layers import all_layers

    classes = {type(layer) for layer in all_layers(network)}
    try:
        config = keras.saving.serialize_keras_object(network)
    except Exception:
        # Whatever a layer's get_config raises: saving fails of it too, and says so.
        config = {}
    registered = _registered_names(config)
    objects = [keras.saving.get_registered_object(name) for name in registered]
    owners = [*classes, *(item for item in objects if item is not None)]
    modules = {item.__module__ for item in owners if item.__module__.split(".")[0] != "keras"}
    if "__main__" in modules:
        names = sorted({item.__name__ for item in owners if item.__module__ == "__main__"})
        raise ConfigurationError(
            f"{', '.join(names)} is defined in the main script. Export runs in a process of its "
            "own: move it to a module that can be imported, decorated with "
            "@keras.saving.register_keras_serializable()."
        )
    return sorted(modules)


def _registered_names(config: Any) -> set[str]:
    """Names under which what a configuration speaks of is registered."""
    if isinstance(config, dict):
        found = set().union(*map(_registered_names, config.values()))
        # A function has its own name where a class has its settings.
        named = (config.get("registered_name"), config.get("config"))
        return found.union(name for name in named if isinstance(name, str))
    if isinstance(config, list | tuple):
        return set().union(*map(_registered_names, config))
    return set()


def save_network(network: keras.Model, path: Path) -> None:
    """Saves a network for the worker; raises ExportError where Keras cannot."""
    try:
        with warnings.catch_warnings():
            # Keras hands its variables to NumPy without the keyword that NumPy 2 asks for.
            warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
            network.save(path)
    except Exception as error:
        raise ExportError(
            f"Keras cannot save this network, so it cannot be exported: {error}. Custom layers "
            "need get_config() and @keras.saving.register_keras_serializable()."
        ) from error
