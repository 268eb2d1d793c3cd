import pytest

import kerastl
from kerastl.errors import ConfigurationError
from kerastl.training import check_plan


def test_plans_are_tuples_of_phases():
    assert [p.train_from for p in kerastl.two_phase()] == ["head", "recommended"]
    assert [p.train_from for p in kerastl.head_only(3)] == ["head"]
    assert [p.train_from for p in kerastl.gradual(2)] == ["head", -1, -2]
    assert [p.train_from for p in kerastl.full(3)] == ["all"]


def test_fine_tuning_is_slower_than_the_head():
    head, fine_tune = kerastl.two_phase()
    assert fine_tune.learning_rate < head.learning_rate


def test_settings_reach_all_phases():
    assert [p.patience for p in kerastl.two_phase(patience=3)] == [3, 3]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epochs": 0}, "epochs=0"),
        ({"epochs": 1.5}, "epochs=1.5"),
        ({"learning_rate": 0}, "learning_rate=0"),
        ({"schedule": "linear"}, "schedule='linear'"),
        ({"warmup": 1.0}, "warmup=1.0"),
        ({"label_smoothing": 1.0}, "label_smoothing=1.0"),
        ({"weight_decay": -1}, "weight_decay=-1"),
        ({"patience": 0}, "patience=0"),
    ],
)
def test_settings_that_cannot_be(settings, message):
    with pytest.raises(ConfigurationError, match=message):
        kerastl.Phase(**settings).check()


@pytest.mark.parametrize("plan", [(), [kerastl.Phase()], "two_phase", ("head",)])
def test_what_is_no_plan(plan):
    with pytest.raises(ConfigurationError, match="not a tuple of Phase"):
        check_plan(plan)
