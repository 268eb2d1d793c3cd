"""What the recipes share whose outputs are classes, labels or numbers."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import keras

from kerastl.backbones import freeze
from kerastl.errors import ConfigurationError
from kerastl.heads import LAST, LATE, OwnHead
from kerastl.model import TrainedModel
from kerastl.outputs import Output, output_named
from kerastl.recipes.recipe import Recipe
from kerastl.training import Plan, phases_of, trained, two_phase

FAMILY = "classification"
DEFAULT_KIND = "single_label"
DEFAULTS = 2
"""The edition of the default plan; that of version 0.1.0 was the first."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Classification(Recipe[TrainedModel]):
    """A head with one output, or with several that are learned together.

    See ``ImageClassification`` for the attributes. Recipes add a field ``head``.
    """

    LATER: ClassVar[tuple[str, ...]] = (*Recipe.LATER, "outputs", "loss_weights")
    PLAN: ClassVar[Mapping[str, Any]] = {}
    """Settings of the default plan (see ``kerastl.two_phase``)."""
    FIRST_PLAN: ClassVar[Mapping[str, Any]] = {
        "head_epochs": 20,
        "fine_tune_epochs": 15,
        "head_learning_rate": 1e-3,
        "learning_rate": 3e-4,
    }
    """Those of version 0.1.0, which runs of it were trained by."""

    kind: str = DEFAULT_KIND
    defaults: int = DEFAULTS
    outputs: Mapping[str, Output | str] | None = None
    loss_weights: Mapping[str, float] | str | None = None

    @property
    def resolved_outputs(self) -> dict[str, Output]:
        """The outputs by name; one has the name that exported files give it."""
        if self.outputs is None:
            output = _output(self.kind)
            return {output.tensor: output}
        if self.kind != DEFAULT_KIND:
            raise ConfigurationError("kind and outputs say the same thing twice. Give one of them.")
        return {
            name: output if isinstance(output, Output) else _output(output)
            for name, output in self.outputs.items()
        }

    @property
    def resolved_loss_weights(self) -> Mapping[str, float] | str | None:
        """As they were given."""
        return self.loss_weights

    def check(self) -> None:
        """Finds bad settings before anything is read; raises ConfigurationError."""
        self.resolved_head.check()
        self.check_input()

    @property
    def has_linear_head(self) -> bool:
        """Whether all outputs are linear in fixed features."""
        solvable = all(output.link for output in self.resolved_outputs.values())
        return solvable and self.resolved_head.is_linear

    @property
    def resolved_head(self) -> Any:
        """The head; layers of the user's own as an ``OwnHead``."""
        head: Any = vars(self)["head"]
        return (
            head if isinstance(head, (self.HEAD, OwnHead)) else OwnHead.of(head, self.HEAD.__name__)
        )

    def get_config(self) -> dict[str, Any]:
        """The settings as JSON holds them; ``defaults`` says what a plan of that name is."""
        config = super(Classification, self._with_plain_head).get_config()
        explicit = self.plan is not None and not isinstance(self.plan, str)
        if explicit or self.defaults == 1:
            # Nothing of the plan is left to a default, or version 0.1.0 left it to its own.
            del config["defaults"]
        return config

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """A recipe out of what ``get_config`` returned, of version 0.1.0 too."""
        left = config.get("plan") is None and "defaults" not in config
        return super().from_config({**config, "defaults": 1} if left else config)

    def as_begun(self, settings: Mapping[str, Any] | None) -> Self:
        """The recipe as an unfinished run means it, where its defaults are of version 0.1.0.

        ``settings`` are those that the run has written down; version 0.1.0 wrote none.
        """
        there = settings or {}
        changes: dict[str, Any] = {}
        if self.plan is None and "defaults" not in there:
            changes["defaults"] = 1
        head = self.resolved_head
        if getattr(head, "features", None) == LATE and "features" not in there.get("head", {}):
            changes["head"] = dataclasses.replace(head, features=LAST)
        return dataclasses.replace(self, **changes)

    @property
    def _with_plain_head(self) -> Self:
        changes: Any = {"head": self.resolved_head}
        return dataclasses.replace(self, **changes)

    @property
    def plan_settings(self) -> dict[str, Any]:
        """Settings of the default plan, without what the outputs have no use for."""
        smooth = any(output.takes_smoothing for output in self.resolved_outputs.values())
        return {**self.PLAN, **({} if smooth else {"label_smoothing": 0.0})}

    @property
    def default_plan(self) -> Plan:
        """``two_phase``."""
        settings = self.plan_settings if self.defaults > 1 else self.FIRST_PLAN
        smooth = self.plan_settings.get("label_smoothing", {})
        return two_phase(**{**settings, **({"label_smoothing": smooth} if smooth == 0 else {})})

    def build(self, class_names: Sequence[str] = (), *, seed: int = 0) -> keras.Model:
        """Builds the network for plain ``network.fit``: compiled, base frozen, BatchNorm still.

        Args:
            class_names: in the order of the labels 0..k-1 that it will be fitted on.
            seed: of the initial weights of the head.

        Returns:
            A compiled ``keras.Model``: of one class for each example it takes integer labels, of
            several labels float rows of 0 and 1. Of images it takes float or uint8 RGB pixels in
            0..255.

        Raises:
            ConfigurationError: there are several outputs.
        """
        found = list(self.resolved_outputs.values())
        if len(found) > 1:
            raise ConfigurationError("build is for one output. Train several with fit.")
        output = found[0].with_classes(tuple(class_names))
        network, _ = self.assemble(output, seed=seed)
        freeze(network)
        [phase, *_] = phases_of(trained(self.resolved_plan))
        loss, metrics = output.loss(phase), output.metrics()
        if output.one_class:
            loss, metrics = "sparse_categorical_crossentropy", ["accuracy"]
        optimizer = keras.optimizers.AdamW(phase.learning_rate)
        network.compile(optimizer=optimizer, loss=loss, metrics=metrics)
        return network


def _output(kind: str) -> Output:
    member = output_named(kind)
    if member.family != FAMILY:
        raise ConfigurationError(
            f"kind={kind!r} is not a class, labels or a number for each example; it has a recipe "
            "of its own."
        )
    return member()
