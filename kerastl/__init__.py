"""Transfer learning for Keras 3.

A backbone is paid for once, and every exported file is proved to answer like the model.

    import kerastl

    recipe = kerastl.ImageClassification(backbone="mobilenet_v2", image_size=160)
    model = recipe.fit("photos/train", validation="photos/val", seed=0)
    model.export("bundle/")
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kerastl.lazy import lazy_names

__version__ = "0.1.0"

if TYPE_CHECKING:
    from kerastl.backbones import freeze, get_backbone, list_backbones, unfreeze
    from kerastl.bundles import Bundle, BundleModel, Gate, export, verify
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
    from kerastl.evaluation import Comparison, Evaluation
    from kerastl.heads import Head, TextHead
    from kerastl.inputs import Augment
    from kerastl.measuring import compare, evaluate
    from kerastl.model import EmbeddingModel, Predictions, TrainedModel
    from kerastl.opening import load
    from kerastl.outputs import Classes, Labels, Number, Vector
    from kerastl.recipes import (
        CustomRecipe,
        ImageClassification,
        ImageEmbedding,
        TextClassification,
        TextEmbedding,
    )
    from kerastl.reporting import report
    from kerastl.task import Task
    from kerastl.training import (
        Phase,
        Probe,
        few_shot,
        full,
        gradual,
        head_only,
        lp_ft,
        two_phase,
    )

_HOMES = {
    "kerastl.backbones": "freeze get_backbone list_backbones unfreeze",
    "kerastl.bundles": "Bundle BundleModel Gate export verify",
    "kerastl.errors": (
        "BundleError ConfigurationError DataError ExportError GraphError KerastlError "
        "MissingExtraError ParityError RunError TextError TrainingError WeightsError"
    ),
    "kerastl.evaluation": "Comparison Evaluation",
    "kerastl.heads": "Head TextHead",
    "kerastl.inputs": "Augment",
    "kerastl.measuring": "compare evaluate",
    "kerastl.model": "EmbeddingModel Predictions TrainedModel",
    "kerastl.opening": "load",
    "kerastl.outputs": "Classes Labels Number Vector",
    "kerastl.recipes": (
        "CustomRecipe ImageClassification ImageEmbedding TextClassification TextEmbedding"
    ),
    "kerastl.reporting": "report",
    "kerastl.task": "Task",
    "kerastl.training": "Phase Probe few_shot full gradual head_only lp_ft two_phase",
}

__all__ = [
    "Augment",
    "Bundle",
    "BundleError",
    "BundleModel",
    "Classes",
    "Comparison",
    "ConfigurationError",
    "CustomRecipe",
    "DataError",
    "EmbeddingModel",
    "Evaluation",
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
    "Probe",
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
    "compare",
    "evaluate",
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
    "report",
    "two_phase",
    "unfreeze",
    "verify",
]

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
