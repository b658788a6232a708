"""Every experiment by its name."""

from __future__ import annotations

import difflib
from typing import Any

from streamlearner.bench.experiment import Experiment, Scope
from streamlearner.bench.mnist_split import MNIST_SPLIT
from streamlearner.bench.throughput import THROUGHPUT

EXPERIMENTS: dict[str, Experiment] = {experiment.name: experiment for experiment in (MNIST_SPLIT, THROUGHPUT)}


def find(name: str) -> Experiment:
    """The experiment of this name. Raises LookupError naming the nearest."""
    if name in EXPERIMENTS:
        return EXPERIMENTS[name]
    (nearest,) = difflib.get_close_matches(name, EXPERIMENTS, n=1, cutoff=0.0)
    raise LookupError(
        f"there is no experiment {name!r}; the nearest is {nearest!r}, and these are known: "
        + ", ".join(EXPERIMENTS)
    )


def described(experiment: Experiment) -> dict[str, Any]:
    """JSON: name, protocol, arms in their order, budgets in bits (0: an arm without a memory)."""
    trials = list(experiment.trials(Scope(seeds=1, budgets_bits=None, quick=False)))
    return {
        "name": experiment.name,
        "protocol": experiment.protocol,
        "arms": list(dict.fromkeys(trial.arm for trial in trials)),
        "budgets_bits": sorted({trial.budget_bits for trial in trials}),
    }
