"""What a plan is carried out on."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerastl.graph import Cut, Stage, resolve_boundary
from kerastl.inputs.augment import Augment
from kerastl.inputs.examples import Examples, Subset
from kerastl.outputs import Output
from kerastl.training.activations import Storage
from kerastl.training.checkpoint import CheckpointStore
from kerastl.training.interruption import Interruption
from kerastl.training.phase import Step
from kerastl.training.precision import FULL
from kerastl.training.progress import Reporter
from kerastl.training.tracking import Tracker

Array = np.ndarray[Any, Any]


@dataclasses.dataclass(frozen=True)
class Job:
    """What a plan is carried out on, and how.

    Attributes:
        network: flat Functional model, image or token ids to outputs; trained in place.
        outputs: what it says, by name, in the order of its outputs.
        named: the stages that ``"recommended"`` and ``"late"`` stand for.
        seed: of shuffling and augmentation.
        augment: how training images are varied, or None.
        class_weight: ``"balanced"``, a weight for each class name, or None; with several outputs,
            one of these for each output's name.
        cache: ``"auto"`` keeps the frozen part's activations where that pays; True always; False
            runs the frozen part again at each step, with new variations each epoch.
        scratch: folder for what does not fit in memory.
        callbacks: Keras callbacks of the user; each phase calls them as one ``fit``.
        tensorboard: folder for TensorBoard's logs, or None.
        tracker: hears of each epoch, or None.
        settings: fingerprint that a checkpoint must match.
        precision: what training computes in: one of ``PRECISIONS``.
        folds: the fold of each training example, int64 (n,), by which a step cross-validates; None
            deals them anew.
        together: the group of each training example, int64 (n,), where folds are dealt anew; None:
            each stands by itself.
        data: what the ``"training"`` and the ``"validation"`` examples are called.
        kept: activations that the next turn takes other rows of (see ``turns``), and the inputs
            of the last step.
        loss_weights: with several outputs, the weight of each one's loss by name,
            ``"uncertainty"`` to learn them, or None for 1 each; see ``LossWeights``.
    """

    network: keras.Model
    outputs: Mapping[str, Output]
    stages: tuple[Stage, ...]
    named: Mapping[str, str]
    train: Examples
    validation: Examples | None
    batch_size: int
    seed: int
    augment: Augment | None
    class_weight: Any
    cache: str | bool
    storage: Storage
    scratch: Path
    reporter: Reporter
    callbacks: Sequence[Any] = ()
    tensorboard: Path | None = None
    checkpoints: CheckpointStore | None = None
    tracker: Tracker | None = None
    settings: str = ""
    precision: str = FULL
    loss_weights: Mapping[str, float] | str | None = None
    folds: Array | None = None
    together: Array | None = None
    data: Mapping[str, str] = dataclasses.field(default_factory=dict)
    kept: dict[Any, Any] = dataclasses.field(default_factory=dict)
    interruption: Interruption = dataclasses.field(default_factory=Interruption)

    @property
    def in_turns(self) -> bool:
        """Whether this is one of several turns (see ``turns``), the last included."""
        return isinstance(self.train, Subset)

    @property
    def steps(self) -> int:
        """Batches per epoch."""
        return -(-len(self.train) // self.batch_size)

    @property
    def steps_of_all(self) -> int:
        """Batches per epoch of the turn that trains on all examples."""
        train = self.train
        count = len(train.whole) if isinstance(train, Subset) else len(train)
        return -(-count // self.batch_size)

    def boundary(self, step: Step) -> Cut:
        """The cut at which a step begins to train."""
        wanted = self.named.get(str(step.train_from), step.train_from)
        return resolve_boundary(self.network, wanted, self.stages)

    def advance(self, done: int) -> None:
        """Tells of progress outside ``fit``, and stops where that was asked for."""
        self.reporter.advance(done)
        self.interruption.check()

    def views(self, wanted: int) -> int:
        """How many of so many views there are."""
        return 1 if self.augment is None else min(self.augment.views, wanted)
