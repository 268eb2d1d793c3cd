"""Export: a bundle whose every file was proved to answer like the Keras model."""

from kerastl.export.bundle import Artifact, Bundle, Gate
from kerastl.export.exporter import export
from kerastl.export.predictor import Predictor, load_bundle
from kerastl.export.verification import verify

__all__ = ["Artifact", "Bundle", "Gate", "Predictor", "export", "load_bundle", "verify"]
