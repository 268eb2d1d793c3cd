"""Trained models and run directories."""

from kerastl.model.predictions import Predictions
from kerastl.model.samples import Samples
from kerastl.model.trained import TrainedModel, load_run, predict_images

__all__ = ["Predictions", "Samples", "TrainedModel", "load_run", "predict_images"]
