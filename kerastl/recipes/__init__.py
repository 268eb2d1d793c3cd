"""Recipes: inert descriptions of a transfer-learning job."""

from kerastl.recipes.custom import CustomRecipe
from kerastl.recipes.image_classification import ImageClassification
from kerastl.recipes.image_embedding import ImageEmbedding
from kerastl.recipes.recipe import Recipe
from kerastl.recipes.text_classification import TextClassification
from kerastl.recipes.text_embedding import TextEmbedding

__all__ = [
    "CustomRecipe",
    "ImageClassification",
    "ImageEmbedding",
    "Recipe",
    "TextClassification",
    "TextEmbedding",
]
