import signal

import keras
import numpy as np
import pytest

from kerastl.training import SilentReporter
from tests.conftest import CLASSES


class Signals(keras.callbacks.Callback):
    """Sends this process a signal a number of times before a batch."""

    def __init__(self, number, times):
        super().__init__()
        self.number = number
        self.times = times

    def on_train_batch_begin(self, batch, logs=None):
        if batch == 3:
            for _ in range(self.times):
                signal.raise_signal(self.number)


QUIET = {"class_names": CLASSES, "reporter": SilentReporter()}


@pytest.fixture(scope="module")
def whole(small_recipe, colours):
    return small_recipe().fit(colours, **QUIET)


@pytest.mark.parametrize(
    ("number", "times"), [(signal.SIGINT, 1), (signal.SIGINT, 2), (signal.SIGTERM, 1)]
)
def test_a_signal_saves_only_whole_steps(small_recipe, colours, tmp_path, whole, number, times):
    options = {**QUIET, "out": tmp_path / "run"}
    handler = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt):
        small_recipe().fit(colours, callbacks=[Signals(number, times)], **options)
    assert signal.getsignal(number) is handler
    # The second one breaks a step off: what was written before it is what counts.
    assert (tmp_path / "run" / "checkpoints" / "state.npz").exists() == (times == 1)
    resumed = small_recipe().fit(colours, resume=True, **options)
    for one, two in zip(resumed.network.get_weights(), whole.network.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)
