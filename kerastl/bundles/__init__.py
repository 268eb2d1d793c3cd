"""Bundles: what is shipped, every file of it proved to answer like the Keras model."""

from kerastl.bundles.benchmarking import benchmark
from kerastl.bundles.bundle import Artifact, Bundle, LiteRTOptions
from kerastl.bundles.exporter import export_subject
from kerastl.bundles.model import BundleModel
from kerastl.bundles.plain_keras import export
from kerastl.bundles.predictor import Predictor, load_bundle
from kerastl.bundles.subject import Subject
from kerastl.bundles.verification import verify
from kerastl.outputs import Gate
from kerastl.samples import Samples

__all__ = [
    "Artifact",
    "Bundle",
    "BundleModel",
    "Gate",
    "LiteRTOptions",
    "Predictor",
    "Samples",
    "Subject",
    "benchmark",
    "export",
    "export_subject",
    "load_bundle",
    "verify",
]
