"""Transfer learning for Keras 3.

A backbone is paid for once, and every exported file is proved to answer like the model.

    import kerastl

    recipe = kerastl.ImageClassification(backbone="mobilenet_v2", image_size=160)
    model = recipe.fit("photos/train", validation="photos/val", seed=0)
    model.export("bundle/")
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from kerastl.backbones import freeze, get_backbone, list_backbones, unfreeze
    from kerastl.bundles import Bundle, Gate, export, verify
    from kerastl.errors import (
        BundleError,
        ConfigurationError,
        DataError,
        ExportError,
        GraphError,
        KerastlError,
        MissingExtraError,
        ParityError,
        RunError,
        TextError,
        TrainingError,
        WeightsError,
    )
    from kerastl.heads import Head, TextHead
    from kerastl.model import EmbeddingModel, Predictions, TrainedModel
    from kerastl.model import load_run as load
    from kerastl.outputs import Classes, Labels, Number, Vector
    from kerastl.recipes import (
        CustomRecipe,
        ImageClassification,
        ImageEmbedding,
        TextClassification,
        TextEmbedding,
    )
    from kerastl.task import Task
    from kerastl.training import (
        Augment,
        Phase,
        few_shot,
        full,
        gradual,
        head_only,
        lp_ft,
        two_phase,
    )

# Importing Keras takes seconds with some backends: each name is imported when it is first used.
_HOME = {
    "Augment": "kerastl.training",
    "Bundle": "kerastl.bundles",
    "BundleError": "kerastl.errors",
    "Classes": "kerastl.outputs",
    "ConfigurationError": "kerastl.errors",
    "CustomRecipe": "kerastl.recipes",
    "DataError": "kerastl.errors",
    "EmbeddingModel": "kerastl.model",
    "ExportError": "kerastl.errors",
    "Gate": "kerastl.bundles",
    "GraphError": "kerastl.errors",
    "Head": "kerastl.heads",
    "ImageClassification": "kerastl.recipes",
    "ImageEmbedding": "kerastl.recipes",
    "KerastlError": "kerastl.errors",
    "Labels": "kerastl.outputs",
    "MissingExtraError": "kerastl.errors",
    "Number": "kerastl.outputs",
    "ParityError": "kerastl.errors",
    "Phase": "kerastl.training",
    "Predictions": "kerastl.model",
    "RunError": "kerastl.errors",
    "Task": "kerastl.task",
    "TextClassification": "kerastl.recipes",
    "TextEmbedding": "kerastl.recipes",
    "TextError": "kerastl.errors",
    "TextHead": "kerastl.heads",
    "TrainedModel": "kerastl.model",
    "TrainingError": "kerastl.errors",
    "Vector": "kerastl.outputs",
    "WeightsError": "kerastl.errors",
    "export": "kerastl.bundles",
    "few_shot": "kerastl.training",
    "freeze": "kerastl.backbones",
    "full": "kerastl.training",
    "get_backbone": "kerastl.backbones",
    "gradual": "kerastl.training",
    "head_only": "kerastl.training",
    "list_backbones": "kerastl.backbones",
    "load": "kerastl.model:load_run",
    "lp_ft": "kerastl.training",
    "two_phase": "kerastl.training",
    "unfreeze": "kerastl.backbones",
    "verify": "kerastl.bundles",
}

__all__ = [
    "Augment",
    "Bundle",
    "BundleError",
    "Classes",
    "ConfigurationError",
    "CustomRecipe",
    "DataError",
    "EmbeddingModel",
    "ExportError",
    "Gate",
    "GraphError",
    "Head",
    "ImageClassification",
    "ImageEmbedding",
    "KerastlError",
    "Labels",
    "MissingExtraError",
    "Number",
    "ParityError",
    "Phase",
    "Predictions",
    "RunError",
    "Task",
    "TextClassification",
    "TextEmbedding",
    "TextError",
    "TextHead",
    "TrainedModel",
    "TrainingError",
    "Vector",
    "WeightsError",
    "__version__",
    "export",
    "few_shot",
    "freeze",
    "full",
    "get_backbone",
    "gradual",
    "head_only",
    "list_backbones",
    "load",
    "lp_ft",
    "two_phase",
    "unfreeze",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'kerastl' has no attribute {name!r}")
    module, _, attribute = _HOME[name].partition(":")
    value = getattr(importlib.import_module(module), attribute or name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
