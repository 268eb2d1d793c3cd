"""Carrying out a plan: one phase after another across freeze boundaries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kerastl.errors import ConfigurationError
from kerastl.graph import Cut, apply_boundary, settle_momentum
from kerastl.training.checkpoint import State, network_variables
from kerastl.training.goal import Goal
from kerastl.training.inputs import PhaseInputs, prepare
from kerastl.training.job import Job
from kerastl.training.phase import Phase, Plan, Step, phases_of
from kerastl.training.phase_run import PhaseRun
from kerastl.training.precision import computing_in
from kerastl.training.probe import Probe
from kerastl.training.probe_run import ProbeRun
from kerastl.training.selection import Array, read_variables, write_variables
from kerastl.training.starting_point import read_origin

LAST = "last"


def run_plan(job: Job, plan: Plan, state: State | None = None) -> list[dict[str, Any]]:
    """Carries out a plan; see ``carry_out``. Returns its records."""
    return carry_out(job, plan, state).records


def carry_out(job: Job, plan: Plan, state: State | None = None) -> State:
    """Carries out a plan on a network, in place, from where an interrupted run stood.

    Returns:
        The state at the end, whose ``records`` hold one for each step: ``name``, ``train_from``,
        ``boundary``, ``epochs`` (0 of a head that was solved), ``seconds``, ``fill_seconds``,
        ``train_examples``, ``trainable_parameters``,
        ``cached_bytes``, ``learning_rate``, ``best_epoch``, ``score`` (the name of the score),
        that score under its name, as ``accuracy``, and ``loss``, both on the validation data
        (None without), ``history`` (one list for each metric); with several outputs also
        ``loss_weights``, the weight of each one's loss at the end.

    Raises:
        ConfigurationError: outputs, weights or a loss that do not go together.
        TrainingError: the loss is not a number.
    """
    with job.interruption.listening(), computing_in(job.network, job.precision):
        return _run(job, plan, state or State(job.settings, phase=0))


def _run(job: Job, plan: Plan, state: State) -> State:
    goal = Goal(job)
    # A turn that leaves examples out has the epochs of the one whose model it stands for.
    plan = tuple(s.lasting(job.steps_of_all) if isinstance(s, Phase) else s for s in plan)
    # Read before the values of a checkpoint come in: the run began with these.
    held = any(phase.l2_sp for phase in phases_of(plan))
    origin = read_origin(network_variables(job.network)) if held else {}
    if state.network:
        write_variables(network_variables(job.network), state.network)
    if state.loss_variables:
        write_variables(goal.loss_weights.variables, state.loss_variables)
    cuts = [job.boundary(phase) for phase in plan]
    if job.validation is None and any(p.chooses_mixture for p in phases_of(plan)):
        raise ConfigurationError(
            "interpolate=True chooses the mixture on validation data, and there are none. Give "
            "validation data, or leave it out."
        )
    filled: dict[int, PhaseInputs] = {}
    while state.phase < len(plan):
        index = state.phase
        if index not in filled:
            filled.update(prepare(job, plan, cuts, index))
        apply_boundary(job.network, cuts[index], batch_norm=plan[index].batch_norm)
        settle_momentum(job.network, plan[index].rounds * job.steps)
        inputs = filled.pop(index)
        record = _carried_out(job, goal, plan[index], cuts[index], inputs, state, origin)
        state.records.append(record)
        if index == len(plan) - 1:
            job.kept[LAST] = inputs
        state = state.after_step()
        if job.checkpoints:
            state.network = read_variables(network_variables(job.network))
            state.loss_variables = read_variables(goal.loss_weights.variables)
            job.checkpoints.write(state)
        job.interruption.check()
    return state


def _carried_out(
    job: Job,
    goal: Goal,
    step: Step,
    cut: Cut,
    inputs: PhaseInputs,
    state: State,
    origin: Mapping[int, Array],
) -> dict[str, Any]:
    if isinstance(step, Probe):
        return ProbeRun(job, goal, step, cut, inputs, state).run()
    return PhaseRun(job, goal, step, cut, inputs, state, origin).run()
