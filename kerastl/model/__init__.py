"""Trained models and run directories."""

from kerastl.model.embeddings import EmbeddingModel
from kerastl.model.images import ImageModel, predict_images
from kerastl.model.loading import load_run
from kerastl.model.predictions import Predictions
from kerastl.model.samples import Samples
from kerastl.model.text_samples import TextSamples
from kerastl.model.texts import TextModel, measure
from kerastl.model.token_model import TokenModel, as_texts, predict_tokens
from kerastl.model.trained import TrainedModel

__all__ = [
    "EmbeddingModel",
    "ImageModel",
    "Predictions",
    "Samples",
    "TextModel",
    "TextSamples",
    "TokenModel",
    "TrainedModel",
    "as_texts",
    "load_run",
    "measure",
    "predict_images",
    "predict_tokens",
]
