"""Training: phases, plans, the loop, cached activations, checkpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kerastl.lazy import lazy_names

if TYPE_CHECKING:
    from kerastl.progress import ConsoleReporter, Reporter, SilentReporter
    from kerastl.training.activations import DTYPES, FORWARD_BATCH, CacheWarning, Prefix, Storage
    from kerastl.training.cache import ActivationCache, default_folder
    from kerastl.training.checkpoint import CheckpointStore, State
    from kerastl.training.goal import check_losses
    from kerastl.training.job import Job
    from kerastl.training.loop import carry_out, run_plan
    from kerastl.training.lora import lora_layers
    from kerastl.training.loss_weights import LossWeights
    from kerastl.training.phase import (
        LATE,
        RECOMMENDED,
        Phase,
        Plan,
        Step,
        check_plan,
        few_shot,
        fine_tunes,
        full,
        gradual,
        head_only,
        lp_ft,
        phases_of,
        trained,
        two_phase,
    )
    from kerastl.training.precision import FULL, PRECISIONS, check_precision
    from kerastl.training.probe import Probe
    from kerastl.training.range_test import (
        HIGHEST_RATE,
        LOWEST_RATE,
        LearningRateTest,
        learning_rate_test,
    )
    from kerastl.training.targets import weights_by_output
    from kerastl.training.tracking import (
        TrackedRun,
        Tracker,
        tell_again,
        telling_how_it_ends,
        tracker_of,
    )
    from kerastl.training.turns import carry_out_in_turns

_HOMES = {
    "kerastl.training.activations": "DTYPES FORWARD_BATCH CacheWarning Prefix Storage",
    "kerastl.training.cache": "ActivationCache default_folder",
    "kerastl.training.checkpoint": "CheckpointStore State",
    "kerastl.training.goal": "check_losses",
    "kerastl.training.job": "Job",
    "kerastl.training.loop": "carry_out run_plan",
    "kerastl.training.turns": "carry_out_in_turns",
    "kerastl.training.lora": "lora_layers",
    "kerastl.training.loss_weights": "LossWeights",
    "kerastl.training.phase": (
        "LATE RECOMMENDED Phase Plan Step check_plan few_shot fine_tunes full gradual head_only "
        "lp_ft phases_of trained two_phase"
    ),
    "kerastl.training.probe": "Probe",
    "kerastl.training.precision": "FULL PRECISIONS check_precision",
    "kerastl.progress": "ConsoleReporter Reporter SilentReporter",
    "kerastl.training.range_test": "HIGHEST_RATE LOWEST_RATE LearningRateTest learning_rate_test",
    "kerastl.training.targets": "weights_by_output",
    "kerastl.training.tracking": "TrackedRun Tracker tell_again telling_how_it_ends tracker_of",
}

__all__ = [
    "DTYPES",
    "FORWARD_BATCH",
    "FULL",
    "HIGHEST_RATE",
    "LATE",
    "LOWEST_RATE",
    "PRECISIONS",
    "RECOMMENDED",
    "ActivationCache",
    "CacheWarning",
    "CheckpointStore",
    "ConsoleReporter",
    "Job",
    "LearningRateTest",
    "LossWeights",
    "Phase",
    "Plan",
    "Prefix",
    "Probe",
    "Reporter",
    "SilentReporter",
    "State",
    "Step",
    "Storage",
    "TrackedRun",
    "Tracker",
    "carry_out",
    "carry_out_in_turns",
    "check_losses",
    "check_plan",
    "check_precision",
    "default_folder",
    "few_shot",
    "fine_tunes",
    "full",
    "gradual",
    "head_only",
    "learning_rate_test",
    "lora_layers",
    "lp_ft",
    "phases_of",
    "run_plan",
    "tell_again",
    "telling_how_it_ends",
    "tracker_of",
    "trained",
    "two_phase",
    "weights_by_output",
]

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
