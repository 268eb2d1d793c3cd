"""Metrics in NumPy."""

from kerastl.metrics.classification import (
    accuracy,
    classification_metrics,
    confusion_matrix,
    log_loss,
    macro_f1,
    wilson_interval,
)
from kerastl.metrics.embeddings import TIE, embedding_metrics, pair_auc, precision_at_1, unit_rows
from kerastl.metrics.several_labels import best_thresholds, multi_label_metrics, regression_metrics

__all__ = [
    "TIE",
    "accuracy",
    "best_thresholds",
    "classification_metrics",
    "confusion_matrix",
    "embedding_metrics",
    "log_loss",
    "macro_f1",
    "multi_label_metrics",
    "pair_auc",
    "precision_at_1",
    "regression_metrics",
    "unit_rows",
    "wilson_interval",
]
