"""Trained models and run directories."""

from kerastl.model.embeddings import EmbeddingModel
from kerastl.model.loading import load_run, model_of
from kerastl.model.predicting import predict_examples
from kerastl.model.trained import TrainedModel
from kerastl.outputs import Predictions

__all__ = [
    "EmbeddingModel",
    "Predictions",
    "TrainedModel",
    "load_run",
    "model_of",
    "predict_examples",
]
