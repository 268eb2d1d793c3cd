"""Export: a bundle whose every file was proved to answer like the Keras model."""

from kerastl.exporting.benchmarking import benchmark
from kerastl.exporting.bundle import Artifact, Bundle, Gate, LiteRTOptions
from kerastl.exporting.exporter import export
from kerastl.exporting.predictor import Predictor, load_bundle
from kerastl.exporting.text_predictor import TextPredictor
from kerastl.exporting.verification import verify

__all__ = [
    "Artifact",
    "Bundle",
    "Gate",
    "LiteRTOptions",
    "Predictor",
    "TextPredictor",
    "benchmark",
    "export",
    "load_bundle",
    "verify",
]
