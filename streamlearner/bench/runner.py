"""Does the trials of an experiment that no earlier run has done."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from streamlearner.bench.experiment import Experiment, Scope, Trial
from streamlearner.bench.results import Result, Row
from streamlearner.bench.workbench import Workbench


class Course(NamedTuple):
    """What there is to do: all trials in the scope, and those whose rows are still missing."""

    trials: Sequence[Trial]
    missing: Sequence[Trial]


def plan(experiment: Experiment, *, scope: Scope, result: Result) -> Course:
    """Raises ValueError where a budget was asked for that the experiment cannot be run under."""
    trials = list(experiment.trials(scope))
    offered = {trial.budget_bits for trial in trials}
    if strange := [budget for budget in scope.budgets_bits or () if budget not in offered]:
        raise ValueError(
            f"{experiment.name} cannot be run under {strange[0]:,} bits: its budgets are fixed "
            f"({', '.join(f'{budget:,}' for budget in sorted(offered))})"
        )
    missing = [
        trial
        for trial in trials
        if not result.has(arm=trial.arm, budget_bits=trial.budget_bits, seed=trial.seed)
    ]
    return Course(trials, missing)


def run(
    experiment: Experiment, trials: Sequence[Trial], *, scope: Scope, workbench: Workbench, result: Result
) -> Iterator[tuple[Trial, list[Row]]]:
    """One trial after the other, each written to disk before it is handed out."""
    for trial in trials:
        rows = list(experiment.run(trial, workbench=workbench, scope=scope))
        result.add(rows)
        yield trial, rows
