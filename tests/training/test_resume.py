import keras
import numpy as np
import pytest

import kerastl
from kerastl.errors import ConfigurationError, RunError
from kerastl.training import SilentReporter, checkpoint
from tests import forked


class Stop(keras.callbacks.Callback):
    """Interrupts at a batch, counted over all phases, as Ctrl-C would."""

    def __init__(self, at):
        super().__init__()
        self.left = at

    def on_train_batch_end(self, batch, logs=None):
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def fit(small_recipe):
    def run(folder, **options):
        return small_recipe().fit(folder, seed=2, reporter=SilentReporter(), **options)

    return run


@pytest.fixture(scope="module")
def whole(fit, colour_folder):
    return fit(colour_folder)


# Phases of 3 and 2 epochs with 5 batches each: within and between epochs and phases.
LONG = pytest.mark.long


@pytest.mark.parametrize(
    "stops", [(2, 11, 19), *(pytest.param((at,), marks=LONG) for at in (4, 5, 15, 23))]
)
def test_an_interrupted_run_ends_with_the_same_weights(fit, colour_folder, tmp_path, whole, stops):
    """Interrupted again where it is told to: each time it goes on from the time before."""
    done = 0
    for at in stops:
        with pytest.raises(KeyboardInterrupt):
            fit(colour_folder, out=tmp_path / "run", callbacks=[Stop(at - done)], resume=done > 0)
        done = at + 1
    model = fit(colour_folder, out=tmp_path / "run", resume=True)
    for one, other in zip(whole.network.get_weights(), model.network.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert [p["best_epoch"] for p in model.history] == [p["best_epoch"] for p in whole.history]
    assert not (tmp_path / "run" / "checkpoints").exists()


class StopAfterPhase(keras.callbacks.Callback):
    """Interrupts when all epochs of a phase are done, and nothing else of it."""

    def __init__(self, phase):
        super().__init__()
        self.left = phase

    def on_train_end(self, logs=None):
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt


def test_a_run_interrupted_at_the_end_of_each_phase(
    fit, colour_folder, tmp_path, whole, monkeypatch
):
    monkeypatch.setattr(checkpoint, "SECONDS_BETWEEN", 0.0)
    for phase in (0, 1):
        # What is left of the phase before, nothing, calls no callback.
        with pytest.raises(KeyboardInterrupt):
            fit(
                colour_folder, out=tmp_path / "run", callbacks=[StopAfterPhase(0)], resume=phase > 0
            )
        assert checkpoint.CheckpointStore(tmp_path / "run" / "checkpoints").read().phase == phase
    model = fit(colour_folder, out=tmp_path / "run", resume=True)
    for one, other in zip(whole.network.get_weights(), model.network.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


HEAD = kerastl.Phase("head", 1, 1e-2)
OPTIONS = {
    "all at once": {
        "plan": (
            HEAD,
            kerastl.Phase(
                "conv_12", 2, 1e-3, layer_decay=0.6, l2_sp=0.05, ema=0.9, mixup=0.2,
                interpolate=True, gradient_accumulation=2,
            ),
        ),
        "precision": "mixed_bfloat16",
    },
    "uncached, scaled loss": {
        "plan": (HEAD, kerastl.Phase("conv_13", 2, 1e-3, l2_sp=0.05, ema=0.9, mixup=0.2)),
        "precision": "mixed_float16",
        "cache": False,
        "augment": kerastl.Augment(views=2),
    },
    "lora": {
        "plan": (
            HEAD,
            kerastl.Phase("conv_12", 2, 1e-2, lora=2, ema=0.9, interpolate=True, layer_decay=0.5),
        ),
        "class_weight": "balanced",
    },
}  # fmt: skip


@pytest.mark.parametrize(
    "options",
    [
        # Half a minute for what the others show in part.
        pytest.param(options, id=name, marks=LONG if "uncached" in name else ())
        for name, options in OPTIONS.items()
    ],
)
def test_options_are_taken_up_again(small_recipe, colour_folder, tmp_path, options):
    """Within the first epoch of the second phase, and again within its second."""
    recipe = small_recipe(**options)
    quiet = {"seed": 2, "reporter": SilentReporter()}
    whole = recipe.fit(colour_folder, **quiet)
    with pytest.raises(KeyboardInterrupt):
        recipe.fit(colour_folder, out=tmp_path, callbacks=[Stop(7)], **quiet)
    with pytest.raises(KeyboardInterrupt):
        recipe.fit(colour_folder, out=tmp_path, callbacks=[Stop(12 - 8)], resume=True, **quiet)
    model = recipe.fit(colour_folder, out=tmp_path, resume=True, **quiet)
    for one, other in zip(whole.network.get_weights(), model.network.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    for one, other in zip(whole.history, model.history, strict=True):
        timed = ("seconds", "fill_seconds", "computed_examples", "history")
        assert {k: v for k, v in one.items() if k not in timed} == {
            k: v for k, v in other.items() if k not in timed
        }
        # What is kept may be older than the interruption; the last epoch's loss is not.
        assert one["history"]["val_loss"][-1] == other["history"]["val_loss"][-1]


def test_the_starting_point_is_that_of_the_run(small_recipe, colour_folder, tmp_path):
    """An interruption in a phase that moves the backbone, before the one that is held."""
    moving = kerastl.Phase("conv_13", 2, 1e-2)
    held = kerastl.Phase("conv_13", 1, 1e-3, l2_sp=100.0)
    recipe = small_recipe(plan=(moving, held))
    quiet = {"seed": 2, "validation": False, "reporter": SilentReporter()}
    whole = recipe.fit(colour_folder, **quiet)
    with pytest.raises(KeyboardInterrupt):
        recipe.fit(colour_folder, out=tmp_path, callbacks=[Stop(7)], **quiet)
    model = recipe.fit(colour_folder, out=tmp_path, resume=True, **quiet)
    for one, other in zip(whole.network.get_weights(), model.network.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


class PoisonAndStop(keras.callbacks.Callback):
    """NaN weights in the second epoch, an interruption in the third."""

    def __init__(self, stop):
        super().__init__()
        self.stop, self.left = stop, 1

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 1 and self.left:
            self.left -= 1
            weights = self.model.trainable_variables[0]
            weights.assign(np.full(weights.shape, np.nan, np.float32))

    def on_train_batch_begin(self, batch, logs=None):
        if self.stop and not self.left and batch == 3:
            raise KeyboardInterrupt


@pytest.mark.parametrize(
    "settings", [{"ema": 0.9, "l2_sp": 0.1, "layer_decay": 0.5}, {"lora": 2}], ids=["held", "lora"]
)
def test_a_rollback_is_taken_up_again(small_recipe, colour_folder, tmp_path, settings):
    recipe = small_recipe(plan=(HEAD, kerastl.Phase("conv_13", 3, 1e-3, **settings)))
    quiet = {"seed": 2, "reporter": SilentReporter()}
    whole = recipe.fit(colour_folder, callbacks=[PoisonAndStop(False)], **quiet)
    assert whole.history[1]["slowed_at"] == 1
    with pytest.raises(KeyboardInterrupt):
        recipe.fit(colour_folder, out=tmp_path, callbacks=[PoisonAndStop(True)], **quiet)
    after = PoisonAndStop(False)
    after.left = 0
    model = recipe.fit(colour_folder, out=tmp_path, resume=True, callbacks=[after], **quiet)
    assert model.history[1]["slowed_at"] == 1
    losses = [run.history[1]["history"]["val_loss"][-1] for run in (whole, model)]
    assert losses[0] == losses[1]
    for one, other in zip(whole.network.get_weights(), model.network.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


CHANGES = (
    {"layer_decay": 0.7}, {"l2_sp": 0.1}, {"ema": 0.9}, {"lora": 2}, {"mixup": 0.3},
    {"lora": 4, "lora_layers": "pw"}, {"lora": 4, "lora_bias": True},
)  # fmt: skip


def test_changed_options_are_not_resumed(small_recipe, colour_folder, tmp_path):
    def plan(**settings):
        return (kerastl.Phase("conv_13", 1, 1e-2, **settings),)

    quiet = {"reporter": SilentReporter()}
    with pytest.raises(KeyboardInterrupt):
        small_recipe(plan=plan()).fit(colour_folder, out=tmp_path, callbacks=[Stop(2)], **quiet)
    others = [small_recipe(plan=plan(**change)) for change in CHANGES]
    for recipe in [*others, small_recipe(plan=plan(), precision="mixed_bfloat16")]:
        with pytest.raises(ConfigurationError, match=r"other settings: (plan\.1|precision)"):
            recipe.fit(colour_folder, out=tmp_path, resume=True, **quiet)


def test_an_unfinished_run_is_not_started_over_by_mistake(
    fit, small_recipe, colour_folder, tmp_path
):
    with pytest.raises(KeyboardInterrupt):
        fit(colour_folder, out=tmp_path, callbacks=[Stop(7)])
    with pytest.raises(ConfigurationError, match="holds an unfinished run.*--resume"):
        fit(colour_folder, out=tmp_path)
    with pytest.raises(RunError, match="not a complete run.*resume"):
        kerastl.load(tmp_path)


def test_a_run_goes_on_only_under_the_same_settings(fit, small_recipe, colour_folder, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        fit(colour_folder, out=tmp_path, callbacks=[Stop(7)])
    with pytest.raises(ConfigurationError, match="other settings: seed: 2 in the run, 3 now"):
        small_recipe().fit(
            colour_folder, seed=3, out=tmp_path, resume=True, reporter=SilentReporter()
        )


def test_resuming_a_finished_run_returns_it(small_recipe, colour_folder, trained):
    model, run = trained
    again = small_recipe().fit(
        colour_folder, seed=0, out=run, resume=True, reporter=SilentReporter()
    )
    for one, other in zip(model.network.get_weights(), again.network.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_damaged_checkpoint_is_an_error(tmp_path):
    store = checkpoint.CheckpointStore(tmp_path)
    store.write(checkpoint.State("x", 0, network=[np.arange(3.0)]))
    path = tmp_path / checkpoint.FILE
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(RunError, match="is damaged"):
        store.read()


def test_a_checkpoint_keeps_everything(tmp_path):
    store = checkpoint.CheckpointStore(tmp_path)
    state = checkpoint.State(
        "x",
        1,
        epoch=2,
        step=3,
        records=[{"name": "head"}],
        history={"loss": [1.0]},
        best={"score": [0.5, -1.0], "epoch": 1, "waited": 0},
        network=[np.arange(3.0, dtype=np.float32)],
        optimizer=[np.array(7)],
        best_values=[np.ones((2, 2))],
        seconds=1.5,
    )
    store.write(state)
    back = store.read()
    assert (back.phase, back.epoch, back.step, back.history) == (1, 2, 3, {"loss": [1.0]})
    np.testing.assert_array_equal(back.network[0], state.network[0])
    assert back.optimizer[0] == 7


class FillDisk(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        import resource

        if epoch == 1:
            hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
            resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))


def fit_until_full(file, recipe, data, out):
    checkpoint.SECONDS_BETWEEN = 0
    try:
        recipe.fit(data, seed=2, out=out, callbacks=[FillDisk()], reporter=SilentReporter())
    except kerastl.RunError as error:
        file.write_text(str(error))


def test_a_full_disk_leaves_the_last_checkpoint_whole(
    fit, small_recipe, colour_folder, tmp_path, whole
):
    pytest.importorskip("resource")
    # In a process of its own: the limit counts for everything that a process writes.
    said = tmp_path / "said.txt"
    process = forked.start(fit_until_full, said, small_recipe(), colour_folder, tmp_path / "run")
    process.join(300)
    assert process.exitcode == 0
    assert "cannot be written: File too large" in said.read_text()
    assert "--resume" in said.read_text()
    model = fit(colour_folder, out=tmp_path / "run", resume=True)
    for one, other in zip(whole.network.get_weights(), model.network.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
