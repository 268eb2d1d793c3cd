"""Recipes: inert descriptions of a transfer-learning job."""

from kerastl.recipes.image_classification import ImageClassification
from kerastl.recipes.recipe import Recipe
from kerastl.recipes.text_classification import TextClassification

__all__ = ["ImageClassification", "Recipe", "TextClassification"]
