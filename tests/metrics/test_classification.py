import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given
from hypothesis import strategies as st

from kerastl.metrics import (
    accuracy,
    classification_metrics,
    confusion_matrix,
    log_loss,
    macro_f1,
    wilson_interval,
)


@st.composite
def answers(draw):
    """Labels (n,) and probabilities (n, classes) without ties."""
    classes = draw(st.integers(2, 5))
    n = draw(st.integers(1, 40))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return random.integers(0, classes, n), random.dirichlet(np.ones(classes), n)


@given(answers())
def test_against_scikit_learn(answers):
    labels, probabilities = answers
    classes = probabilities.shape[1]
    predicted = probabilities.argmax(axis=1)
    assert accuracy(labels, probabilities) == sklearn.metrics.accuracy_score(labels, predicted)
    assert log_loss(labels, probabilities) == pytest.approx(
        sklearn.metrics.log_loss(labels, probabilities, labels=range(classes)), rel=1e-6
    )
    assert macro_f1(labels, probabilities) == pytest.approx(
        sklearn.metrics.f1_score(labels, predicted, average="macro", zero_division=0)
    )
    np.testing.assert_array_equal(
        confusion_matrix(labels, predicted, classes),
        sklearn.metrics.confusion_matrix(labels, predicted, labels=range(classes)),
    )


@given(answers())
def test_the_order_of_examples_and_of_classes_does_not_matter(answers):
    labels, probabilities = answers
    whole = classification_metrics(labels, probabilities)
    backwards = classification_metrics(labels[::-1], probabilities[::-1])
    renamed = classification_metrics(probabilities.shape[1] - 1 - labels, probabilities[:, ::-1])
    assert backwards == pytest.approx(whole)
    assert renamed == pytest.approx(whole)


@given(answers())
def test_ranges(answers):
    metrics = classification_metrics(*answers)
    assert list(metrics) == [
        "accuracy",
        "accuracy_low",
        "accuracy_high",
        "macro_f1",
        "loss",
        "calibration_error",
        "examples",
    ]
    assert 0 <= metrics["accuracy_low"] <= metrics["accuracy"] <= metrics["accuracy_high"] <= 1
    assert 0 <= metrics["macro_f1"] <= 1
    assert 0 <= metrics["loss"] < 17
    assert 0 <= metrics["calibration_error"] <= 1
    assert metrics["examples"] == len(answers[0])


@pytest.mark.parametrize("n", range(1, 60))
def test_the_interval_holds_the_share(n):
    for successes in range(n + 1):
        low, high = wilson_interval(successes, n)
        assert 0 <= low <= successes / n <= high <= 1


def test_a_certain_mistake_costs_a_finite_loss():
    assert log_loss(np.array([0]), np.array([[0.0, 1.0]])) == pytest.approx(-np.log(1e-7))
    assert log_loss(np.array([1]), np.array([[0.0, 1.0]])) == 0


# Newcombe, Two-sided confidence intervals for the single proportion, 1998, table I, method 3.
@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_as_published(successes, n, low, high):
    np.testing.assert_allclose(wilson_interval(successes, n), (low, high), atol=5e-5)


@given(n=st.integers(1, 10_000), share=st.floats(0, 1))
def test_wilson_is_symmetric_and_holds_the_share(n, share):
    successes = round(share * n)
    low, high = wilson_interval(successes, n)
    assert 0 <= low <= successes / n + 1e-12
    assert successes / n - 1e-12 <= high <= 1
    assert wilson_interval(n - successes, n) == pytest.approx((1 - high, 1 - low), abs=1e-9)
    assert (
        high - low
        >= wilson_interval(4 * successes, 4 * n)[1]
        - wilson_interval(4 * successes, 4 * n)[0]
        - 1e-12
    )
