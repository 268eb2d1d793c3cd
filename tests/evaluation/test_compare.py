import numpy as np
import pytest
from statsmodels.stats.contingency_tables import mcnemar

from kerastl.errors import ConfigurationError
from kerastl.evaluation import compare_answers
from kerastl.outputs import Classes, Number
from tests.evaluation.test_outputs import answered

NAMES = ("a", "b")


def of(labels, answers, output=None):
    output = output or Classes(NAMES)
    return answered({"y": output}, {"y": labels}, {"y": answers})


def answers(labels, share, seed):
    random = np.random.default_rng(seed)
    chosen = np.where(random.random(len(labels)) < share, labels, 1 - labels)
    return (0.2 + 0.6 * np.eye(2)[chosen]).astype(np.float32)


@pytest.mark.parametrize("seed", range(5))
def test_mcnemar_is_that_of_statsmodels(seed):
    labels = np.random.default_rng(seed).integers(0, 2, 120)
    one, two = answers(labels, 0.8, seed), answers(labels, 0.7, seed + 50)
    found = compare_answers(of(labels, one), of(labels, two)).disagreements["y"]
    table = np.zeros((2, 2), int)
    for a, b in zip(one.argmax(1) == labels, two.argmax(1) == labels, strict=True):
        table[int(not a), int(not b)] += 1
    assert [found.both_right, found.only_first, found.only_second, found.both_wrong] == (
        table.ravel().tolist()
    )
    assert found.p_value == pytest.approx(mcnemar(table, exact=True).pvalue)


def test_a_clear_difference_is_decisive_and_a_small_one_is_not():
    labels = np.random.default_rng(0).integers(0, 2, 200)
    weak, strong = answers(labels, 0.6, 1), answers(labels, 0.9, 2)
    row = compare_answers(of(labels, weak), of(labels, strong)).metrics["accuracy"]
    assert row.decisive
    assert row.interval[0] < row.difference < row.interval[1]
    assert row.difference == pytest.approx(row.second - row.first)
    near = strong.copy()
    near[:2] = near[:2, ::-1]
    found = compare_answers(of(labels, strong), of(labels, near))
    assert not found.metrics["accuracy"].decisive
    same = compare_answers(of(labels, weak), of(labels, weak))
    assert same.metrics["loss"].interval == (0.0, 0.0)
    assert not same.metrics["loss"].decisive
    assert same.disagreements["y"].p_value == 1.0
    assert same.as_dict()["examples"] == 200


def test_the_paired_interval_is_narrower_than_that_of_strangers():
    """Two models that err on the same examples differ little, however hard the examples."""
    labels = np.random.default_rng(3).integers(0, 2, 200)
    one = answers(labels, 0.6, 1)
    two = one.copy()
    wrong = np.flatnonzero(one.argmax(1) != labels)[:12]
    two[wrong] = two[wrong, ::-1]
    paired = compare_answers(of(labels, one), of(labels, two)).metrics["accuracy"].interval
    strange = compare_answers(of(labels, one), of(labels, answers(labels, 0.66, 9)))
    width = strange.metrics["accuracy"].interval
    assert paired[1] - paired[0] < 0.6 * (width[1] - width[0])
    assert paired[0] > 0


def test_numbers_have_no_right_and_wrong():
    values = np.random.default_rng(0).normal(size=60).astype(np.float32)
    found = compare_answers(
        of(values, values[:, None] + 0.5, Number()), of(values, values[:, None], Number())
    )
    assert found.disagreements == {}
    assert found.metrics["mae"].decisive
    assert found.metrics["mae"].difference == pytest.approx(-0.5)


def test_models_that_cannot_be_compared():
    labels = np.array([0, 1])
    rows = np.eye(2, dtype=np.float32)
    with pytest.raises(ConfigurationError, match="different classes: 'a', 'b' and 'b', 'a'"):
        compare_answers(of(labels, rows), of(labels, rows, Classes(("b", "a"))))
    with pytest.raises(ConfigurationError, match="different things"):
        compare_answers(of(labels, rows), of(labels.astype(np.float32), rows[:, :1], Number()))
    with pytest.raises(ConfigurationError, match="could read 2 images, the other 1"):
        compare_answers(of(labels, rows), of(labels[:1], rows[:1]))
