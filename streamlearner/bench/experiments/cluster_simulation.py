"""How far a cluster goes: up to 100 learners with failures, simulated from costs that are measured here."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

from streamlearner.bench.kit.experiment import Scope, Trial, trial_rows
from streamlearner.bench.kit.fixture import Fixture
from streamlearner.bench.kit.results import Row
from streamlearner.bench.material.cluster_costs import Costs, measured
from streamlearner.bench.material.cluster_simulation import Cluster, Plan

BUDGET_BITS, EXAMPLES, QUICK_EXAMPLES = 313_600, 2_000, 120
LEARNERS = (1, 2, 4, 8, 16, 32, 64, 100)
SETTINGS: dict[str, Any] = {
    "memory.sampling": "balanced",
    "threads": 1,
    "network.name": "lenet",
}
BEHIND = "of_8_at_full_load"
"""The arm in which all machines are idle but for this, and as much comes as learners can take."""


@dataclass(frozen=True, slots=True)
class ClusterSimulation:
    """`learners_N`: half of what N learners could learn comes. `of_8_at_full_load`: nearly all of it."""

    name: str = "cluster-simulation"
    protocol: str = (
        "Measured on this machine, in seconds of CPU: an example of MNIST learned by the default method "
        "(LeNet, 313,600 bits, one thread), a checkpoint, the merge of four learners by learner, a sleep of "
        "300 steps; and the bits of checkpoints and of what a merge reads. From these a day of a cluster of "
        "N learners is simulated in steps of 5 s, four partitions each, eight learners on a node: a process "
        "fails once in 24 hours and is back after 30 s, a node once a week and after 180 s; checkpoints each "
        "60 s, a consolidation each 100,000 examples, a store of 10 Gbit/s. learners_N: half of what they "
        "could learn comes; of_8_at_full_load: 0.98 of it. busy_...: the part of what learners, consolidator "
        "and store could do at most."
    )

    def trials(self, scope: Scope) -> Iterable[Trial]:
        for seed in range(scope.seeds):
            for number in LEARNERS:
                yield Trial(f"learners_{number}", BUDGET_BITS, seed)
            yield Trial(BEHIND, BUDGET_BITS, seed)

    def run(self, trial: Trial, *, fixture: Fixture, scope: Scope) -> Iterator[Row]:
        began_s, examples = time.perf_counter(), QUICK_EXAMPLES if scope.quick else EXAMPLES
        costs = costs_of(fixture, trial.seed, examples, steps=20 if scope.quick else 300)
        plan = plan_of(trial.arm, hours=0.5 if scope.quick else 24.0)
        found = Cluster(plan, costs, seed=trial.seed).run()
        yield from trial_rows(
            trial,
            found | {f"cost_{name}": value for name, value in asdict(costs).items()},
            parameter_bits=0,
            stored_bits=BUDGET_BITS,
            seconds=time.perf_counter() - began_s,
            examples=examples,
        )


@lru_cache(maxsize=1)
def costs_of(fixture: Fixture, seed: int, examples: int, *, steps: int) -> Costs:
    """Once for all arms of a seed, which are then told apart by what is simulated alone."""
    stream = fixture.load_dataset("MNIST", True, examples)
    own = {"memory.budget_bits": BUDGET_BITS, "seed": seed, "sleep.steps": steps}
    return measured(fixture, SETTINGS | own, stream)


def plan_of(arm: str, *, hours: float) -> Plan:
    if arm == BEHIND:
        return Plan(learners=8, load=0.98, hours=hours)
    return Plan(learners=int(arm.removeprefix("learners_")), hours=hours)


CLUSTER_SIMULATION = ClusterSimulation()
