"""Turns: a plan carried out on parts of the data to learn what it is worth, and then on all."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from kerastl.graph import momenta_of
from kerastl.inputs.examples import Subset
from kerastl.training.calibration import calibrate
from kerastl.training.checkpoint import State, network_variables, stacked
from kerastl.training.goal import Goal
from kerastl.training.inputs import prepare
from kerastl.training.job import Job
from kerastl.training.loop import LAST, carry_out
from kerastl.training.phase import Phase, Plan, Step, fine_tunes, phases_of
from kerastl.training.phase_batches import answers_of
from kerastl.training.probe import Probe
from kerastl.training.probe_run import cool
from kerastl.training.selection import read_variables, write_variables

Array = np.ndarray[Any, Any]


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What came of a plan.

    Attributes:
        records: of the steps that made the model (see ``run_plan``).
        held: rows of the examples that were answered by models not trained on them, int64 (m,),
            ascending.
        answers: these answers, float32 (m, width) by output; empty without such rows.
        solved: what the solved heads answered to the same before any fine-tuning; empty where
            the plan does nothing else, or no head was solved.
        temperatures: what the scores of an output are divided by, of those where that is shown to
            help; the answers are those at it.
    """

    records: list[dict[str, Any]]
    held: Array
    answers: dict[str, Array]
    solved: dict[str, Array]
    temperatures: dict[str, float]


def carry_out_in_turns(
    job: Job, plan: Plan, folds: Array, held_folds: Sequence[int], state: State | None = None
) -> Outcome:
    """Trains on all examples, after turns that each leave one fold out and answer it.

    Each turn begins with the weights that the network has now. The last one trains on all
    examples, with the schedule that the first turn found: nothing is chosen on examples that it
    is trained on.

    Args:
        job: its ``train`` examples are all of them; it has no ``validation``.
        plan: what each turn carries out.
        folds: the fold of each example, int64 (n,).
        held_folds: those that are left out, one a turn.
        state: where an interrupted run stood.
    """
    network, whole = job.network, job.train
    initial = read_variables(network_variables(network))
    momenta = momenta_of(network)
    state = state or State(job.settings, phase=0)
    while state.turn < len(held_folds):
        out = folds == held_folds[state.turn]
        inside, held = np.flatnonzero(~out), np.flatnonzero(out)
        turn = dataclasses.replace(
            job,
            train=Subset(whole, inside),
            validation=Subset(whole, held),
            folds=folds[inside],
            together=None if job.together is None else job.together[inside],
        )
        if len(held_folds) == 1 or state.turn == 0:
            times = "" if len(held_folds) == 1 else f", {len(held_folds)} times"
            job.reporter.note(
                f"first without {len(held)} of {len(whole)} examples, to measure on them{times}"
            )
        state = carry_out(turn, plan, state)
        answers = _answers(turn, plan, state)
        state = State(
            job.settings,
            phase=0,
            turn=state.turn + 1,
            earlier=[*state.earlier, state.records],
            answers=stacked(state.answers, answers),
            solved=state.solved,
        )
        write_variables(network_variables(network), initial)
        for layer, momentum in momenta:
            layer.momentum = momentum
        if job.checkpoints:
            job.checkpoints.write(state)
        job.interruption.check()
    earlier = state.earlier
    job.reporter.note(f"now with all {len(whole)} examples")
    last = dataclasses.replace(job, train=Subset(whole, np.arange(len(whole))), folds=folds)
    state = carry_out(last, refitted(plan, earlier[0]), state)
    # What was compiled for several turns has a schedule that cannot be saved.
    network.optimizer, network.compiled = None, False
    held = np.concatenate([np.flatnonzero(folds == number) for number in held_folds])
    order = np.argsort(held)
    found = dict(zip(job.outputs, [rows[order] for rows in state.answers], strict=True))
    solved = {}
    if fine_tunes(plan) and state.solved:
        solved = dict(zip(job.outputs, [rows[order] for rows in state.solved], strict=True))
    temperatures = {}
    for name, output in job.outputs.items():
        # A head that was solved for the likelihood is as sure as it should be.
        labels = whole.targets[name][held[order]]
        told = calibrate(output, labels, found[name], seed=job.seed) if phases_of(plan) else None
        if told is not None:
            temperatures[name], found[name] = told.temperature, told.answers
            cool(last, name, told.temperature)
            job.reporter.note(f"scores are divided by {told.temperature:.2f}: all folds ask for it")
    kept = [
        i for i, (step, one) in enumerate(zip(plan, earlier[0], strict=True)) if _stays(step, one)
    ]
    records = [
        _with_estimate(record, [records[i] for records in earlier])
        for i, record in zip(kept, state.records, strict=True)
    ]
    return Outcome(records, held[order], found, solved, temperatures)


def refitted(plan: Plan, records: Sequence[dict[str, Any]]) -> Plan:
    """The plan with what its validation chose written into it: epochs, and shares of mixtures.

    A phase that did best before its first epoch is left out, and so is one that did not help.
    """
    steps: list[Any] = []
    for step, record in zip(plan, records, strict=True):
        if not _stays(step, record):
            continue
        if not isinstance(step, Phase) or step.fixed:
            steps.append(step)
            continue
        epochs = record["best_epoch"]
        share = record.get("interpolation")
        changes: dict[str, Any] = {"select": "last", "patience": None}
        if epochs is not None:
            changes["epochs"] = epochs
        changes["interpolate"] = False if share in (None, 1.0) else share
        steps.append(dataclasses.replace(step, **changes))
    return tuple(steps)


def _stays(step: Step, record: dict[str, Any]) -> bool:
    if record.get("left_out"):
        return False
    chosen = isinstance(step, Phase) and not step.fixed
    return not (chosen and (record["best_epoch"] == 0 or record.get("interpolation") == 0))


def _answers(job: Job, plan: Plan, state: State) -> list[Array]:
    """What the network answers to the validation examples, float32 (m, width) of each output.

    Out of the activations at the boundary of the last step, where these are kept.
    """
    if isinstance(plan[-1], Probe):
        # The head was the last to change, and what it answers was put down.
        return [answers[state.answered :] for answers in state.solved]
    inputs = job.kept.pop(LAST, None)
    if inputs is None:
        # The run was interrupted between its last step and this.
        last = len(plan) - 1
        inputs = prepare(job, plan, [job.boundary(step) for step in plan], last)[last]
    return answers_of(job, Goal(job), inputs)


def _with_estimate(record: dict[str, Any], same: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """A record of the last turn, with what the same step measured and took in those before it."""
    score = record["score"]
    found = dict(record)
    if len(same) == 1:
        found |= {key: same[0][key] for key in (score, "loss", "history", "best_epoch")}
    else:
        for key in (score, "loss"):
            values = [one[key] for one in same]
            found[key] = None if None in values else round(float(np.mean(values)), 6)
    seconds = [one["seconds"] for one in (*same, record)]
    return found | {"seconds": round(sum(seconds), 3), "turn_seconds": seconds}
