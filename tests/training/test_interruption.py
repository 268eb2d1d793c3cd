import signal

import keras
import numpy as np
import pytest

from kerastl.training import SilentReporter
from tests.conftest import CLASSES


class CtrlC(keras.callbacks.Callback):
    """Presses Ctrl-C a number of times before a batch."""

    def __init__(self, times):
        super().__init__()
        self.times = times

    def on_train_batch_begin(self, batch, logs=None):
        if batch == 3:
            for _ in range(self.times):
                signal.raise_signal(signal.SIGINT)


QUIET = {"class_names": CLASSES, "reporter": SilentReporter()}


@pytest.fixture(scope="module")
def whole(small_recipe, colours):
    return small_recipe().fit(colours, **QUIET)


@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_saves_only_whole_steps(small_recipe, colours, tmp_path, whole, times):
    options = {**QUIET, "out": tmp_path / "run"}
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        small_recipe().fit(colours, callbacks=[CtrlC(times)], **options)
    assert signal.getsignal(signal.SIGINT) is handler
    # The second one breaks a step off: what was written before it is what counts.
    assert (tmp_path / "run" / "checkpoints" / "state.npz").exists() == (times == 1)
    resumed = small_recipe().fit(colours, resume=True, **options)
    for one, two in zip(resumed.network.get_weights(), whole.network.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)
