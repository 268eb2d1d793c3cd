"""Figures of classes and confidences, against scikit-learn and statsmodels on random cases."""

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix as reference_matrix
from sklearn.metrics import precision_recall_fscore_support, r2_score
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import proportion_confint

from kerastl.metrics import (
    bootstrap,
    calibration,
    classification_metrics,
    classification_replicate,
    confusion_matrix,
    coverage,
    mcnemar_exact,
    most_confused,
    multi_label_metrics,
    multi_label_replicate,
    neighbours,
    percentile_interval,
    precision_at_1,
    precision_recall_f1,
    residual_figures,
    residuals_by_tenth,
    wilson_interval,
)


def case(seed):
    random = np.random.default_rng(seed)
    n, classes = int(random.integers(1, 60)), int(random.integers(2, 7))
    scores = random.random((n, classes))
    return random.integers(0, classes, n), scores / scores.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("seed", range(12))
def test_classes_are_those_of_scikit_learn(seed):
    labels, probabilities = case(seed)
    count, predicted = probabilities.shape[1], probabilities.argmax(axis=1)
    matrix = confusion_matrix(labels, predicted, count)
    np.testing.assert_array_equal(matrix, reference_matrix(labels, predicted, labels=range(count)))
    found = precision_recall_f1(np.diag(matrix), matrix.sum(axis=0), matrix.sum(axis=1))
    wanted = precision_recall_fscore_support(
        labels, predicted, labels=range(count), zero_division=np.nan
    )
    for mine, theirs in zip(found, wanted[:3], strict=True):
        np.testing.assert_allclose(mine, theirs)


@pytest.mark.parametrize("seed", range(12))
def test_wilson_is_that_of_statsmodels(seed):
    n = int(np.random.default_rng(seed).integers(1, 500))
    hits = int(np.random.default_rng(seed + 99).integers(0, n + 1))
    wanted = proportion_confint(hits, n, method="wilson")
    # Theirs takes 1.95996 standard deviations.
    assert wilson_interval(hits, n) == pytest.approx(wanted, abs=1e-4)


@pytest.mark.parametrize("pair", [(0, 0), (3, 3), (0, 7), (12, 5), (140, 90), (700, 640)])
def test_mcnemar_is_that_of_statsmodels(pair):
    wanted = mcnemar(np.array([[50, pair[0]], [pair[1], 20]]), exact=True).pvalue
    assert mcnemar_exact(*pair) == pytest.approx(wanted, abs=1e-12)
    assert mcnemar_exact(*pair) == mcnemar_exact(*pair[::-1])


@pytest.mark.parametrize("seed", range(6))
def test_replicates_of_all_rows_are_the_metrics(seed):
    labels, probabilities = case(seed)
    rows = np.arange(len(labels))
    found = classification_replicate(labels, probabilities)(rows)
    wanted = classification_metrics(labels, probabilities)
    assert found == pytest.approx({key: wanted[key] for key in found})
    drawn = np.random.default_rng(seed).integers(0, len(labels), len(labels))
    again = classification_metrics(labels[drawn], probabilities[drawn])
    found = classification_replicate(labels, probabilities)(drawn)
    assert found == pytest.approx({key: again[key] for key in found})
    flags = np.eye(probabilities.shape[1])[labels]
    limits = np.full(probabilities.shape[1], 0.3)
    found = multi_label_replicate(flags, probabilities, limits)(drawn)
    again = multi_label_metrics(flags[drawn], probabilities[drawn], limits)
    assert found == pytest.approx({key: again[key] for key in found})


def test_a_bootstrap_covers_the_truth_and_draws_the_same_rows():
    random = np.random.default_rng(3)
    held = 0
    for _ in range(60):
        values = random.normal(2.0, 1.0, 80)
        samples = bootstrap(lambda rows, v=values: {"mean": float(v[rows].mean())}, 80)
        low, high = percentile_interval(samples["mean"])
        held += low <= 2.0 <= high
    # A binomial of 60 and 0.95 is above 51 in all but one case of 400.
    assert held > 51
    one, two = (bootstrap(lambda rows: {"sum": float(rows.sum())}, 30) for _ in range(2))
    np.testing.assert_array_equal(one["sum"], two["sum"])
    assert len(bootstrap(lambda rows: {"n": float(len(rows))}, 10**6)["n"]) == 200


def test_confused_pairs_come_in_order_of_their_count():
    matrix = np.array([[9, 2, 0], [5, 1, 0], [0, 2, 3]])
    assert most_confused(matrix) == [(1, 0, 5), (0, 1, 2), (2, 1, 2)]
    assert most_confused(matrix, 1) == [(1, 0, 5)]
    assert most_confused(np.eye(3, dtype=int)) == []


def test_coverage():
    confidence = np.array([0.55, 0.9, 0.99, 0.4], np.float32)
    right = np.array([False, True, True, False])
    found = {row["threshold"]: row for row in coverage(confidence, right)}
    assert found[0.0] == {"threshold": 0.0, "answered": 1.0, "accuracy": 0.5, "examples": 4}
    assert (found[0.9]["examples"], found[0.9]["accuracy"]) == (2, 1.0)
    assert found[0.99]["answered"] == 0.25
    lonely = coverage(np.array([0.2]), np.array([True]))[-1]
    assert (lonely["answered"], lonely["accuracy"]) == (0.0, None)


def test_calibration_of_the_naive_twin():
    random = np.random.default_rng(0)
    probability = np.append(random.random(300), [0.0, 1.0, 0.1])
    right = random.random(303) < probability**2
    error, bins = calibration(probability, right)
    wanted = 0.0
    for low in np.arange(10) / 10:
        rows = [i for i, p in enumerate(probability) if low < p <= low + 0.1 + 1e-12]
        rows += [i for i, p in enumerate(probability) if p == 0 and low == 0]
        if rows:
            wanted += abs(sum(probability[i] - right[i] for i in rows)) / 303
    assert error == pytest.approx(wanted)
    assert sum(row["examples"] for row in bins) == 303


def test_residuals():
    values = np.arange(25.0)
    error = np.where(values < 10, 1.0, -3.0)
    figures = residual_figures(error)
    assert figures["mean_error"] == pytest.approx(error.mean())
    assert (figures["median_abs_error"], figures["max_abs_error"]) == (3.0, 3.0)
    rows = residuals_by_tenth(values, error)
    assert len(rows) == 10
    assert sum(row["examples"] for row in rows) == 25
    assert (rows[0]["from"], rows[0]["mae"], rows[-1]["mean_error"]) == (0.0, 1.0, -3.0)
    assert len(residuals_by_tenth(values[:3], error[:3])) == 3
    assert r2_score(values, values + error) < 1


def test_neighbours_and_precision_agree():
    random = np.random.default_rng(1)
    labels = random.integers(0, 4, 50)
    vectors = random.normal(size=(50, 5)).astype(np.float32)
    vectors[1] = vectors[0]
    found = neighbours(labels, vectors)
    assert precision_at_1(labels, vectors) == found.hits.sum() / found.counted.sum()
    same = labels[found.nearest] == labels
    np.testing.assert_array_equal(found.hits, same & found.counted)
    assert (found.nearest != np.arange(50)).all()
    alone = neighbours(np.array([0]), vectors[:1])
    assert not alone.counted.any()
    assert not alone.hits.any()
