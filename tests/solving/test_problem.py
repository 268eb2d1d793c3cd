"""The solver against scikit-learn and closed forms, on problems drawn at random."""

import numpy as np
import pytest

from kerastl.solving import LINKS, Features, Problem, cross_validate, one_thread, solve

linear_model = pytest.importorskip("sklearn.linear_model")
# Its L-BFGS stops by the change of the loss, short of six digits.
SOLVER = "newton-cholesky"


def draw(seed, *, columns=None, classes=None, count=None):
    """Features of unequal spread, classes that depend on them, weights, and a penalty."""
    random = np.random.default_rng(seed)
    count = count or int(random.integers(40, 120))
    columns = columns or int(random.choice([5, 30, 200]))
    classes = classes or int(random.integers(2, 6))
    x = random.normal(size=(count, columns)) * np.exp(random.normal(size=columns)) + 3
    kernel = random.normal(size=(columns, classes)) / x.std(axis=0)[:, None] / columns**0.5
    noise = random.gumbel(size=(count, classes))
    y = (2 * (x - x.mean(axis=0)) @ kernel + noise).argmax(axis=1)
    y[:classes] = np.arange(classes)
    weights = random.integers(1, 4, count).astype(float)
    return x.astype(np.float32), y, weights, float(10 ** random.uniform(-2, 2))


def scaled(x, features):
    """Features as the penalty sees them."""
    return (x.astype(np.float64) - features._scaling.mean) / features._scaling.scale


def probabilities(x, features, solution, link="softmax"):
    kernel, bias = features.unscaled(solution.kernel, solution.bias)
    return LINKS[link].answers(x.astype(np.float64) @ kernel + bias)


def reference(rows, y, weights, l2, classes):
    """Scikit-learn's optimum of the same objective, whose penalty is on one column of two."""
    strength = (2 if classes == 2 else 1) / l2
    model = linear_model.LogisticRegression(C=strength, tol=1e-10, max_iter=1000, solver=SOLVER)
    return model.fit(rows, y, sample_weight=weights)


@pytest.mark.parametrize("seed", range(20))
def test_weighted_logistic_regression_is_that_of_scikit_learn(seed):
    x, y, weights, l2 = draw(seed)
    classes = y.max() + 1
    missing = np.random.default_rng(seed).random(len(y)) < 0.1
    missing[:classes] = False
    weights[missing] = 0
    with one_thread():
        features = Features([x])
        found = solve(Problem(features, np.eye(classes)[y], weights, "softmax"), l2)
        model = reference(
            scaled(x, features)[~missing], y[~missing], weights[~missing], l2, classes
        )
    assert found.converged
    ours, theirs = probabilities(x, features, found), model.predict_proba(scaled(x, features))
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_smoothing_is_weighted_duplicates(seed):
    x, y, weights, l2 = draw(seed, classes=4)
    soft = 0.9 * np.eye(4)[y] + 0.1 / 4
    with one_thread():
        features = Features([x])
        found = solve(Problem(features, soft, weights, "softmax"), l2)
        rows = np.repeat(scaled(x, features), 4, axis=0)
        shares = (soft * weights[:, None]).ravel()
        model = reference(rows, np.tile(np.arange(4), len(x)), shares, l2, 4)
    ours, theirs = probabilities(x, features, found), model.predict_proba(scaled(x, features))
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_each_label_by_itself_is_binary_regression():
    x, y, weights, l2 = draw(5, classes=3)
    flags = np.eye(3)[y]
    with one_thread():
        features = Features([x])
        found = solve(Problem(features, flags, weights, "sigmoid"), l2)
        ours = probabilities(x, features, found, "sigmoid")
        for column in range(3):
            model = linear_model.LogisticRegression(C=1 / l2, tol=1e-10, solver=SOLVER)
            model.fit(scaled(x, features), flags[:, column], sample_weight=weights)
            theirs = model.predict_proba(scaled(x, features))[:, 1]
            np.testing.assert_allclose(ours[:, column], theirs, atol=1e-6)


@pytest.mark.parametrize("columns", [5, 200])
def test_ridge_is_its_closed_form(columns):
    x, _, weights, l2 = draw(6, columns=columns)
    y = np.random.default_rng(0).normal(size=(len(x), 2)) + x[:, :2]
    features = Features([x])
    found = solve(Problem(features, y, weights, "identity"), l2)
    rows = np.hstack([scaled(x, features), np.ones((len(x), 1))])
    penalty = l2 * np.eye(columns + 1)
    penalty[-1, -1] = 0
    exact = np.linalg.solve(
        rows.T @ (weights[:, None] * rows) + penalty, rows.T @ (weights[:, None] * y)
    )
    kernel, bias = features.unscaled(found.kernel, found.bias)
    np.testing.assert_allclose(x @ kernel + bias, rows @ exact, atol=1e-8)


def test_views_are_examples_of_a_share_of_the_weight():
    x, y, weights, l2 = draw(7, classes=3)
    other = x + np.random.default_rng(1).normal(size=x.shape).astype(np.float32)
    with one_thread():
        both = Features([x, other])
        found = solve(Problem(both, np.eye(3)[y], weights, "softmax"), l2)
        rows = scaled(np.concatenate([x, other]), both)
        model = reference(rows, np.tile(y, 2), np.tile(weights / 2, 2), l2, 3)
    ours, theirs = probabilities(x, both, found), model.predict_proba(scaled(x, both))
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_what_is_larger_than_memory_is_read_in_blocks_and_gives_the_same(monkeypatch):
    monkeypatch.setattr("kerastl.solving.features._BLOCK_ROWS", 16)
    x, y, weights, l2 = draw(8, columns=30, classes=3)
    read = []

    class Counted:
        shape = x.shape

        def __getitem__(self, rows):
            read.append(len(x[rows]))
            return x[rows]

    with one_thread():
        held = Features([x], groups=[10, 20])
        streamed = Features([Counted()], groups=[10, 20], memory_limit=0)
        answers = []
        for features in (held, streamed):
            found = solve(Problem(features, np.eye(3)[y], weights, "softmax"), l2)
            answers.append(probabilities(x, features, found))
    assert max(read) <= 16
    np.testing.assert_allclose(*answers, atol=1e-7)


def test_groups_are_of_unit_variance():
    x = draw(9, columns=30)[0]
    features = Features([x * np.repeat([1, 100], 15).astype(np.float32)], groups=[15, 15])
    variance = scaled(x * np.repeat([1, 100], 15), features).var(axis=0)
    np.testing.assert_allclose([variance[:15].sum(), variance[15:].sum()], 1, rtol=1e-5)


def test_a_column_that_never_varies_has_no_part():
    x, y, weights, l2 = draw(10, columns=5, classes=2)
    x[:, 2] = 7.0
    features = Features([x])
    found = solve(Problem(features, np.eye(2)[y], weights, "softmax"), l2)
    assert found.converged
    changed = x.copy()
    changed[:, 2] += 0.5
    same, moved = (probabilities(rows, features, found) for rows in (x, changed))
    np.testing.assert_allclose(same, moved, atol=1e-6)


def test_a_class_without_examples_stays_improbable_and_finite():
    x, y, weights, l2 = draw(11, classes=3)
    features = Features([x])
    found = solve(Problem(features, np.eye(4)[y], weights, "softmax"), l2)
    answers = probabilities(x, features, found)
    assert np.isfinite(answers).all()
    assert answers[:, 3].max() < 0.1


def test_the_strength_is_that_of_the_greatest_out_of_fold_likelihood():
    x, y, _, _ = draw(12, columns=30, classes=3, count=120)
    folds = np.arange(len(x)) % 5
    with one_thread():
        features = Features([x])
        problem = Problem(features, np.eye(3)[y], np.ones(len(x)), "softmax")
        found = cross_validate(problem, folds)
        assert found.losses[found.l2] == min(found.losses.values())
        rows, total = scaled(x, features), 0.0
        for number in range(5):
            out = folds == number
            model = reference(rows[~out], y[~out], None, found.l2, 3)
            scores = model.predict_log_proba(rows[out])
            total -= scores[np.arange(out.sum()), y[out]].sum()
    assert found.losses[found.l2] == pytest.approx(total / len(x), abs=1e-4)
    assert found.losses[found.l2] == pytest.approx(
        LINKS["softmax"].losses(found.scores, np.eye(3)[y]).mean(), abs=1e-12
    )
