"""Which epoch is kept."""

import types

import pytest

import kerastl
from kerastl.errors import ConfigurationError
from kerastl.training.selection import KeepBest, Score, standard_error


def kept(scores, margin=None):
    """The epoch that is kept of (accuracy, loss) after each, and how long it was the best."""
    accuracy = Score("accuracy", ("accuracy",))
    keep = KeepBest(accuracy, None, read=lambda model: [], margin=margin)
    keep.set_model(types.SimpleNamespace())
    for epoch, (accuracy, loss) in enumerate(scores, start=1):
        keep.on_epoch_end(epoch - 1, {"val_accuracy": accuracy, "val_loss": loss})
    return keep.best.epoch, keep.best.waited


def test_the_score_of_several_is_the_mean_of_their_own():
    score = Score("mean_score", ("kind_accuracy", "size_r2"))
    assert score.of({"val_kind_accuracy": 0.5, "val_size_r2": 0.7}, "val_") == pytest.approx(0.6)
    # A share of explained variance has no lower end.
    assert score.of({"kind_accuracy": 0.5, "size_r2": -40.0}) == 0.25
    assert score.of({"kind_accuracy": 0.5}) is None
    assert Score("r2", ("r2",)).of({"r2": -3.0}) == -3.0


def test_the_highest_score_and_then_the_lowest_loss():
    assert kept([(0.8, 0.5), (0.9, 0.6), (0.85, 0.1)]) == (2, 1)
    assert kept([(0.9, 0.5), (0.9, 0.4), (0.9, 0.4)]) == (2, 1)


def test_within_chance_the_loss_decides():
    margin = standard_error(200)
    assert margin(0.885) == pytest.approx(0.0226, abs=1e-4)
    assert kept([(0.85, 0.4646), (0.885, 0.4494), (0.875, 0.4356)]) == (2, 1)
    assert kept([(0.85, 0.4646), (0.885, 0.4494), (0.875, 0.4356)], margin) == (3, 0)
    # Beyond chance the loss has no say.
    assert kept([(0.7, 0.1), (0.9, 0.5)], margin) == (2, 0)
    assert kept([(0.9, 0.5), (0.85, 0.1)], margin) == (1, 1)


def test_small_steps_down_are_counted_from_the_highest():
    # Each is within chance of the one before, the last no longer of the best.
    scores = [(0.90, 0.5), (0.885, 0.4), (0.87, 0.3)]
    assert kept(scores, standard_error(200)) == (2, 1)
    # A new highest score leaves behind what is kept.
    assert kept([*scores, (0.92, 0.6)], standard_error(200)) == (4, 0)


def test_no_mistake_is_no_certainty():
    assert standard_error(100)(1.0) == pytest.approx(0.1 * 0.1)
    assert standard_error(50)(0.0) == 0


def test_a_phase_refuses_what_it_does_not_know():
    with pytest.raises(ConfigurationError, match="select='first'"):
        kerastl.Phase(select="first").check()
