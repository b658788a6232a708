"""A simulated cluster behaves as its costs and its failures say."""

from __future__ import annotations

from dataclasses import replace

import pytest

from streamlearner.bench.assembly import DIGITS, build_fixture
from streamlearner.bench.experiments.cluster_simulation import CLUSTER_SIMULATION, LEARNERS
from streamlearner.bench.experiments.cluster_throughput import CLUSTER_THROUGHPUT
from streamlearner.bench.kit.experiment import Scope, Trial
from streamlearner.bench.kit.results import Row
from streamlearner.bench.material.cluster_costs import Costs
from streamlearner.bench.material.cluster_simulation import Cluster, Plan

COSTS = Costs(
    example_s=0.001,
    checkpoint_s=0.01,
    merge_shard_s=0.02,
    sleep_s=5.0,
    checkpoint_bits=1e7,
    moved_bits=1e6,
    version_bits=1e7,
)
CALM = Plan(learners=8, process_failures_per_hour=0.0, node_failures_per_hour=0.0, hours=4.0)


def simulated(plan: Plan, costs: Costs = COSTS, seed: int = 0) -> dict[str, float]:
    return Cluster(plan, costs, seed=seed).run()


def test_without_failures_nothing_waits_and_nothing_is_learned_again() -> None:
    found = simulated(CALM)
    assert found["most_lag_s"] == pytest.approx(0.0, abs=1e-6) and found["learned_again_ratio"] == 0.0
    assert found["examples_per_s"] == pytest.approx(8 * 500, rel=0.01)
    assert found["versions_per_hour"] == pytest.approx(8 * 500 * 3_600 / 100_000, rel=0.05)
    assert found["moved_bits_of_a_sleep"] == 32e6, "budget x partitions"


def test_failures_are_as_many_as_their_rate_says_and_what_waits_is_made_up_for() -> None:
    plan = replace(CALM, learners=100, process_failures_per_hour=0.5, hours=8.0)
    found = simulated(plan)
    assert found["failures"] == pytest.approx(100 * 0.5 * 8, rel=0.2)
    assert plan.restart_s < found["most_lag_s"] < 10 * plan.restart_s
    assert found["examples_per_s"] == pytest.approx(100 * 500, rel=0.01)
    assert 0 < found["learned_again_ratio"] < 0.02


def test_a_node_that_fails_takes_all_its_learners_along() -> None:
    plan = replace(CALM, node_failures_per_hour=2.0)
    assert simulated(plan)["failures"] % plan.learners_per_node == 0 < simulated(plan)["failures"]


def test_more_comes_than_can_be_learned_and_the_lag_grows() -> None:
    assert simulated(replace(CALM, load=1.1))["most_lag_s"] > 600
    assert simulated(replace(CALM, load=1.1))["busy_learners"] == pytest.approx(1.1)


def test_a_consolidator_that_is_never_done_bounds_how_new_versions_are() -> None:
    slow = simulated(CALM, replace(COSTS, sleep_s=120.0))
    quick = simulated(CALM)
    assert slow["busy_consolidator"] > 0.95 > 0.5 > quick["busy_consolidator"]
    assert slow["version_age_p99_s"] > quick["version_age_p99_s"]
    assert slow["examples_per_s"] == quick["examples_per_s"], "learners do not wait for it"


def test_equal_seeds_give_equal_days() -> None:
    plan = replace(CALM, process_failures_per_hour=1.0)
    assert simulated(plan, seed=3) == simulated(plan, seed=3) != simulated(plan, seed=4)


@pytest.mark.slow
def test_the_experiment_simulates_what_it_has_measured() -> None:
    scope = Scope(seeds=1, budgets_bits=None, quick=True)
    trials = list(CLUSTER_SIMULATION.trials(scope))
    assert [trial.arm for trial in trials[:-1]] == [f"learners_{number}" for number in LEARNERS]
    rows = list(
        CLUSTER_SIMULATION.run(
            Trial("learners_100", 313_600, 0), fixture=build_fixture(data=DIGITS), scope=scope
        )
    )
    found = {row.metric: row.value for row in rows if isinstance(row, Row)}
    assert found["cost_example_s"] > 0 and found["cost_checkpoint_bits"] > found["cost_moved_bits"] > 0
    assert found["moved_bits_of_a_sleep"] == 400 * found["cost_moved_bits"]


def test_throughput_needs_a_broker() -> None:
    assert list(CLUSTER_THROUGHPUT.trials(Scope(seeds=2, budgets_bits=None, quick=True))) == []
    assert (
        len(list(CLUSTER_THROUGHPUT.trials(Scope(seeds=2, budgets_bits=None, quick=True, kafka="h:1")))) == 2
    )
