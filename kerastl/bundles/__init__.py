"""Export: a bundle whose every file was proved to answer like the Keras model."""

from kerastl.bundles.benchmarking import benchmark
from kerastl.bundles.bundle import Artifact, Bundle, Gate, LiteRTOptions
from kerastl.bundles.exporter import export
from kerastl.bundles.predictor import Predictor, load_bundle
from kerastl.bundles.text_predictor import TextPredictor
from kerastl.bundles.verification import verify

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
