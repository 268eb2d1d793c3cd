"""Training: phases, plans, the loop, cached activations, checkpoints."""

from kerastl.training.augment import Augment
from kerastl.training.checkpoint import CheckpointStore, State
from kerastl.training.examples import Examples, decode
from kerastl.training.loop import Job, run_plan
from kerastl.training.optimization import example_weights
from kerastl.training.phase import (
    RECOMMENDED,
    Phase,
    Plan,
    check_plan,
    full,
    gradual,
    head_only,
    two_phase,
)
from kerastl.training.progress import ConsoleReporter, Reporter, SilentReporter

__all__ = [
    "RECOMMENDED",
    "Augment",
    "CheckpointStore",
    "ConsoleReporter",
    "Examples",
    "Job",
    "Phase",
    "Plan",
    "Reporter",
    "SilentReporter",
    "State",
    "check_plan",
    "decode",
    "example_weights",
    "full",
    "gradual",
    "head_only",
    "run_plan",
    "two_phase",
]
