"""Plans and runs the trials of an experiment that no earlier run has done."""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from streamlearner.bench.kit.experiment import Experiment, HoldsOut, Scope, Sees, Trial
from streamlearner.bench.kit.fixture import Fixture
from streamlearner.bench.kit.results import Curve, Result, Row, Sheet


class Plan(NamedTuple):
    """All trials in the scope, and those without results."""

    trials: Sequence[Trial]
    missing: Sequence[Trial]


def plan(experiment: Experiment, *, scope: Scope, result: Result) -> Plan:
    """Raises ValueError where the scope names something that the experiment does not have: a budget, an arm,
    a quarter of the stream, held-out images, an eye on another device."""
    trials = list(experiment.trials(scope))
    offered = {trial.budget_bits for trial in trials}
    if unknown := [budget for budget in scope.budgets_bits or () if budget not in offered]:
        raise ValueError(
            f"{experiment.name} cannot be run under {unknown[0]:,} bits: its budgets are fixed "
            f"({', '.join(f'{budget:,}' for budget in sorted(offered))})"
        )
    if scope.portion != "whole" and any(trial.examples is None for trial in trials):
        raise ValueError(f"{experiment.name} has no {scope.portion}: its stream is learned whole")
    if scope.held_out and not isinstance(experiment, HoldsOut):
        raise ValueError(
            f"{experiment.name} holds no images out of a training set, as it has no settings to choose"
        )
    if scope.device != "cpu" and not isinstance(experiment, Sees):
        raise ValueError(f"{experiment.name} has no eye: it learns on the processor, not on {scope.device}")
    chosen = select_arms(experiment, trials, scope.arms)
    missing = [
        trial
        for trial in chosen
        if not result.has(
            arm=trial.arm, budget_bits=trial.budget_bits, seed=trial.seed, examples=trial.examples
        )
    ]
    return Plan(chosen, missing)


def select_arms(experiment: Experiment, trials: Sequence[Trial], arms: Sequence[str] | None) -> list[Trial]:
    """The trials of these arms (None: all), of which one may be a pattern such as `mnist-*/ours`. Raises
    ValueError for an unknown arm, naming the nearest."""
    known = list(dict.fromkeys(trial.arm for trial in trials))
    wanted = set(known if arms is None else ())
    for arm in arms or ():
        wanted.update(found := fnmatch.filter(known, arm))
        if not found:
            (nearest,) = difflib.get_close_matches(arm, known, n=1, cutoff=0.0)
            raise ValueError(
                f"{experiment.name} has no arm {arm!r}; the nearest is {nearest!r}, and the arms are: "
                + ", ".join(known)
            )
    return [trial for trial in trials if trial.arm in wanted]


def run(
    experiment: Experiment, trials: Sequence[Trial], *, scope: Scope, fixture: Fixture, result: Result
) -> Iterator[tuple[Trial, list[Row]]]:
    """Runs one trial after the other and yields each with its rows, once they are written to disk."""
    for trial in trials:
        found = list(experiment.run(trial, fixture=fixture, scope=scope))
        rows = [entry for entry in found if isinstance(entry, Row)]
        result.add(rows, [entry for entry in found if isinstance(entry, Curve)])
        for sheet in found:
            if isinstance(sheet, Sheet):
                sheet.save(result.path)
        yield trial, rows
