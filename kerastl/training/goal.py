"""What a plan trains towards: the losses and metrics of a network's outputs, and the score."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any

import keras

from kerastl.errors import ConfigurationError
from kerastl.graph.layers import output_operations
from kerastl.inputs.augment import Augment
from kerastl.outputs import Output
from kerastl.outputs.contrastive import embedding_model
from kerastl.training.job import Job
from kerastl.training.loss_weights import LossWeights, TrainedPart
from kerastl.training.phase import Phase
from kerastl.training.selection import Score, standard_error
from kerastl.training.targets import KerasTargets, is_labelled, make_targets

MEAN_SCORE = "mean_score"


class Goal:
    """What the outputs of a job's network are trained towards.

    One output is trained on its own loss, and its own score is the metric. With several outputs
    the losses are added up (see ``LossWeights``), and epochs are compared by the mean of the
    outputs' own scores on the validation data. Each score is clipped to 0..1 first: shares of
    right answers lie there, and a share of explained variance has no lower bound. Examples
    without a label for an output count neither in its loss nor in its metrics.

    Attributes:
        loss_weights: how the losses are added up; what is learned of them is kept from phase to
            phase.
        incomplete: whether some labels are missing.

    Raises:
        ConfigurationError: the network has another number of outputs, or loss weights that cannot
            be.
    """

    def __init__(self, job: Job) -> None:
        outputs, tensors = job.outputs, job.network.outputs
        if len(outputs) != len(tensors):
            raise ConfigurationError(
                f"The network has {len(tensors)} outputs, and {len(outputs)} are described: "
                f"{', '.join(outputs)}."
            )
        self._outputs = outputs
        self._class_weight = job.class_weight
        self._train = job.train
        self._validation = None if job.validation is None else job.validation.targets
        self.loss_weights = LossWeights(outputs, job.loss_weights)
        # Keras names metrics by the layers that make the outputs.
        self._layers = [operation.name for operation in output_operations(job.network)]
        present = is_labelled(outputs, self._train.targets)
        held_out = {} if self._validation is None else is_labelled(outputs, self._validation)
        self.incomplete = not all(rows.all() for rows in (*present.values(), *held_out.values()))
        self._scored = [name for name, rows in held_out.items() if rows.any()]
        self._validated = int(sum(rows.sum() for rows in held_out.values()))

    @property
    def _only(self) -> Output | None:
        """The output, where there is one."""
        return next(iter(self._outputs.values())) if len(self._outputs) == 1 else None

    @property
    def score(self) -> Score:
        """By what epochs are compared."""
        if self._only is not None:
            return Score(self._only.score, (self._only.score,))
        layers = dict(zip(self._outputs, self._layers, strict=True))
        keys = (f"{layers[name]}_{self._outputs[name].score}" for name in self._scored)
        return Score(MEAN_SCORE, tuple(keys))

    @property
    def begins_trained(self) -> bool:
        """Whether what the network says before any training could be what it ends with."""
        return all(output.begins_trained for output in self._outputs.values())

    def margin(self, phase: Phase) -> Callable[[float], float] | None:
        """How far two epochs' scores may lie apart by chance, where a phase asks for it."""
        if phase.select == "best" or not self._validated:
            return None
        # For scores other than a share of examples nothing so simple is known.
        shared = self._only is not None and self._only.score_is_a_share
        return standard_error(self._validated) if shared else None

    def compares(self, phase: Phase) -> bool:
        """Whether a phase trains what the score is of, so that its epochs can be compared."""
        return all(output.compares(phase) for output in self._outputs.values())

    def trained_part(self, phase: Phase, part: keras.Model) -> keras.Model:
        """What a phase trains of the part after its boundary.

        A contrastive loss trains its beginning, up to the vector that the head gets. Raises
        ConfigurationError where there are several outputs, or nothing but the head.
        """
        if self._only is None:
            # The network itself keeps no losses that only mean something in training.
            return TrainedPart(part, self.loss_weights.variables)
        return part if self.compares(phase) else embedding_model(part)

    def losses(self, phase: Phase) -> Any:
        """The loss of one output, or a list of those of several."""
        if self._only is not None:
            return self._only.loss(phase)
        return self.loss_weights.weighed(
            [loss_among_others(name, output, phase) for name, output in self._outputs.items()]
        )

    def compile_arguments(self, phase: Phase) -> dict[str, Any]:
        """Losses and metrics, as ``compile`` takes them."""
        if not self.compares(phase):
            return {"loss": self.losses(phase), "metrics": []}
        found = [output.metrics() for output in self._outputs.values()]
        # Metrics with weights leave out the examples that weigh nothing.
        key = "weighted_metrics" if self.incomplete else "metrics"
        return {"loss": self.losses(phase), key: found if self._only is None else found[0]}

    def training_targets(self, view: int = 0, augment: Augment | None = None) -> KerasTargets:
        """Targets and weights of the training examples in a view, which ``augment`` makes."""
        moving = [name for name, output in self._outputs.items() if output.moves]
        if not view or augment is None or not moving:
            return self._unmoved
        alignment = self._train.alignment(view=view, augment=augment)
        if alignment is None:
            return self._unmoved
        labels = self._train.targets
        moved = {name: self._outputs[name].moved(labels[name], alignment) for name in moving}
        return make_targets(self._outputs, {**labels, **moved}, self._class_weight)

    @functools.cached_property
    def _unmoved(self) -> KerasTargets:
        return make_targets(self._outputs, self._train.targets, self._class_weight)

    def validation_targets(self) -> KerasTargets | None:
        """Those of the validation examples, classes weighing the same; None without labels."""
        if self._validation is None or not self._validated:
            return None
        return make_targets(self._outputs, self._validation)


def loss_among_others(name: str, output: Output, phase: Phase) -> Any:
    """The loss of one of several outputs.

    Focal loss and label smoothing apply only where they mean something. Raises ConfigurationError
    where the output cannot be trained beside others.
    """
    if phase.loss == "contrastive":
        raise ConfigurationError(
            f"Phase {phase.title!r}: loss='contrastive' compares the vectors of a network with one "
            f"output, and this one has several, {name!r} among them. Give another loss."
        )
    if not output.takes_smoothing:
        phase = dataclasses.replace(phase, loss="cross_entropy", label_smoothing=0.0)
    return output.loss(phase)


def check_losses(outputs: Mapping[str, Output], phases: tuple[Phase, ...]) -> None:
    """Raises ConfigurationError where the loss of a phase does not go with an output."""
    for phase in phases:
        for name, output in outputs.items():
            if len(outputs) == 1:
                output.loss(phase)
            else:
                loss_among_others(name, output, phase)
