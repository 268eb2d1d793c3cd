"""Recipes: inert descriptions of a transfer-learning job."""

from kerastl.recipes.image_classification import ImageClassification
from kerastl.recipes.recipe import Recipe
from kerastl.recipes.text_classification import TextClassification
from kerastl.recipes.text_embedding import TextEmbedding

__all__ = ["ImageClassification", "Recipe", "TextClassification", "TextEmbedding"]
