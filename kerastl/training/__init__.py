"""Training: phases, plans, the loop, cached activations, checkpoints."""

from kerastl.training.augment import Augment
from kerastl.training.checkpoint import CheckpointStore, State
from kerastl.training.examples import Examples, decode
from kerastl.training.loop import Job, run_plan
from kerastl.training.phase import (
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
    "full",
    "gradual",
    "head_only",
    "run_plan",
    "two_phase",
]
