"""Metrics in NumPy."""

from kerastl.metrics.classification import (
    accuracy,
    classification_metrics,
    confusion_matrix,
    log_loss,
    macro_f1,
    wilson_interval,
)

__all__ = [
    "accuracy",
    "classification_metrics",
    "confusion_matrix",
    "log_loss",
    "macro_f1",
    "wilson_interval",
]
