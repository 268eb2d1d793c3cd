import pytest

import kerastl
from kerastl.errors import ConfigurationError
from kerastl.training import check_plan


def test_plans_are_tuples_of_steps():
    assert [p.train_from for p in kerastl.two_phase()] == ["head", "late"]
    assert [p.train_from for p in kerastl.two_phase(3)] == ["head", "recommended"]
    assert [p.train_from for p in kerastl.head_only(3)] == ["head"]
    assert [p.train_from for p in kerastl.gradual(2)] == ["head", -1, -2]
    assert [p.train_from for p in kerastl.full(3)] == ["all"]


def test_lp_ft_is_a_probe_and_then_everything():
    probe, tuned = kerastl.lp_ft(50, 4, patience=3, layer_decay=0.7, lora=None)
    assert (probe.train_from, probe.epochs, probe.patience) == ("head", 50, 3)
    assert probe.schedule == "constant"
    assert (tuned.train_from, tuned.epochs, tuned.patience) == ("all", 4, None)
    assert tuned.learning_rate < probe.learning_rate
    assert tuned.layer_decay == 0.7


def test_settings_of_the_backbone_do_not_reach_a_head_phase():
    for plan in (
        kerastl.two_phase(3, lora=4),
        kerastl.lp_ft(3, lora=4),
        kerastl.gradual(2, head_epochs=3, lora=4, lora_layers="x"),
    ):
        check_plan(plan)
        assert [phase.lora for phase in plan] == [None, *[4] * (len(plan) - 1)]
    with pytest.raises(ConfigurationError, match="lora where only the head trains"):
        check_plan(kerastl.head_only(lora=4))


def test_fine_tuning_is_slower_than_the_head():
    head, fine_tune = kerastl.two_phase(3)
    assert fine_tune.learning_rate < head.learning_rate


def test_few_examples_are_seen_more_often():
    phase = kerastl.two_phase()[1]
    assert phase.lasting(steps=5).epochs == phase.least_steps / 5
    assert phase.lasting(steps=500).epochs == phase.epochs


def test_settings_reach_all_phases():
    assert [p.patience for p in kerastl.two_phase(5, patience=3)] == [3, 3]
    assert kerastl.two_phase(patience=3)[1].patience == 3


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
        ({"layer_decay": 0}, r"layer_decay=0 \(in \(0, 1\], or None\)"),
        ({"layer_decay": 1.5}, "layer_decay=1.5"),
        ({"layer_decay": "0.5"}, "layer_decay='0.5'"),
        ({"l2_sp": -0.1}, r"l2_sp=-0.1 \(0 or above\)"),
        ({"l2_sp": None}, "l2_sp=None"),
        ({"ema": 1}, r"ema=1 \(in \(0, 1\)"),
        ({"ema": 0.0}, "ema=0.0"),
        ({"ema": True}, "ema=True"),
        ({"mixup": -1}, "mixup=-1"),
        ({"mixup": float("nan")}, "mixup=nan"),
        ({"interpolate": 1}, "interpolate=1"),
        ({"interpolate": "best"}, "interpolate='best'"),
        ({"select": "last", "patience": 3}, "patience with select='last'"),
        ({"optional": 1}, "optional=1"),
        ({"least_steps": -1}, "least_steps=-1"),
        ({"views": 0}, "views=0"),
        ({"lora_bias": "all", "lora": 2, "train_from": -1}, "lora_bias='all'"),
    ],
)
def test_settings_that_cannot_be(settings, message):
    with pytest.raises(ConfigurationError, match=message):
        kerastl.Phase(**settings).check()


@pytest.mark.parametrize("plan", [(), [kerastl.Phase()], "two_phase", ("head",)])
def test_what_is_no_plan(plan):
    with pytest.raises(ConfigurationError, match="not a tuple of Phase and Probe"):
        check_plan(plan)
