"""Recipes: inert descriptions of a transfer-learning job."""

from kerastl.recipes.image_classification import ImageClassification

__all__ = ["ImageClassification"]
