"""Metrics in NumPy."""

from kerastl.metrics.classification import (
    accuracy,
    classification_metrics,
    confusion_matrix,
    log_loss,
    macro_f1,
    wilson_interval,
)
from kerastl.metrics.several_labels import (
    best_thresholds,
    multi_label_metrics,
    regression_metrics,
)

__all__ = [
    "accuracy",
    "best_thresholds",
    "classification_metrics",
    "confusion_matrix",
    "log_loss",
    "macro_f1",
    "multi_label_metrics",
    "regression_metrics",
    "wilson_interval",
]
