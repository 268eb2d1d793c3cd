"""Metrics in NumPy."""

from kerastl.metrics.classification import (
    accuracy,
    classification_metrics,
    classification_replicate,
    confusion_matrix,
    log_loss,
    macro_f1,
    wilson_interval,
)
from kerastl.metrics.embeddings import (
    TIE,
    Neighbours,
    embedding_metrics,
    neighbours,
    pair_auc,
    precision_at_1,
    unit_rows,
)
from kerastl.metrics.intervals import (
    Replicate,
    bootstrap,
    mcnemar_exact,
    percentile_interval,
)
from kerastl.metrics.per_class import (
    calibration,
    coverage,
    most_confused,
    precision_recall_f1,
)
from kerastl.metrics.residuals import residual_figures, residuals_by_tenth
from kerastl.metrics.several_labels import (
    best_thresholds,
    multi_label_metrics,
    multi_label_replicate,
    regression_metrics,
)

__all__ = [
    "TIE",
    "Neighbours",
    "Replicate",
    "accuracy",
    "best_thresholds",
    "bootstrap",
    "calibration",
    "classification_metrics",
    "classification_replicate",
    "confusion_matrix",
    "coverage",
    "embedding_metrics",
    "log_loss",
    "macro_f1",
    "mcnemar_exact",
    "most_confused",
    "multi_label_metrics",
    "multi_label_replicate",
    "neighbours",
    "pair_auc",
    "percentile_interval",
    "precision_at_1",
    "precision_recall_f1",
    "regression_metrics",
    "residual_figures",
    "residuals_by_tenth",
    "unit_rows",
    "wilson_interval",
]
