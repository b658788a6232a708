"""A cluster of any number of learners, simulated step by step from measured costs and drawn failures.

What is assumed, and nowhere measured:

- Learners, the consolidator and their nodes fail independently of each other and of what they do, at a
  constant rate; a process is back after `restart_s`, a node's processes after `node_restart_s`.
- Partitions get equally many examples, at a constant rate; a learner has one core of the measured speed.
- A learner that failed learns what came since the last checkpoint again; on average half of the time between
  two checkpoints is lost.
- The store moves `store_bits_per_s` for all together, and has no other limit; so does each process.
- A consolidation that fails begins anew once the consolidator is back. No version is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from streamlearner.bench.material.cluster_costs import Costs

HOUR_S, STEP_S = 3_600.0, 5.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What is simulated. Rates are of one partition, one process or one node."""

    learners: int
    partitions_per_learner: int = 4
    load: float = 0.5
    """of what a learner could learn, how much comes"""
    replicas: int = 4
    learners_per_node: int = 8
    process_failures_per_hour: float = 1 / 24
    node_failures_per_hour: float = 1 / (24 * 7)
    restart_s: float = 30.0
    node_restart_s: float = 180.0
    checkpoint_every_s: float = 60.0
    consolidate_every_examples: int = 100_000
    store_bits_per_s: float = 10e9
    hours: float = 24.0


class Cluster:
    """`lag` [learners] examples wait for each; `down_s` [learners] seconds until each is back."""

    def __init__(self, plan: Plan, costs: Costs, *, seed: int) -> None:
        self.plan, self.costs, self._draw = plan, costs, np.random.default_rng(seed)
        checkpointing = plan.partitions_per_learner * costs.checkpoint_s / plan.checkpoint_every_s
        self.capacity = max(0.0, 1.0 - checkpointing) / costs.example_s
        self.arriving = plan.load * self.capacity
        self.lag, self.down_s = np.zeros(plan.learners), np.zeros(plan.learners)
        self.learned, self.again, self.failures = 0.0, 0.0, 0
        self._since, self._under_way, self._left_s = 0.0, 0.0, 0.0
        self._began, self._version_of_s, self._busy_s = 0.0, 0.0, 0.0
        self.versions, self._now_s = 0, 0.0
        self._lags: list[float] = []
        self._stale_s: list[float] = []

    @property
    def consolidation_s(self) -> float:
        """Reading all partitions, merging them, the sleep, and writing the version."""
        plan, costs = self.plan, self.costs
        partitions = plan.learners * plan.partitions_per_learner
        moved = partitions * costs.moved_bits + costs.version_bits
        return moved / plan.store_bits_per_s + partitions * costs.merge_shard_s + costs.sleep_s

    def run(self) -> dict[str, float]:
        for _ in range(int(self.plan.hours * HOUR_S / STEP_S)):
            self._now_s += STEP_S
            self._fail()
            self._learn()
            self._consolidate()
            self._lags.append(float(self.lag.max()) / self.arriving)
            self._stale_s.append(self._now_s - self._version_of_s)
        return self._measured()

    def _fail(self) -> None:
        plan = self.plan
        process = self._draw.random(plan.learners) < plan.process_failures_per_hour * STEP_S / HOUR_S
        nodes = -(-plan.learners // plan.learners_per_node)
        node = self._draw.random(nodes) < plan.node_failures_per_hour * STEP_S / HOUR_S
        with_node = np.repeat(node, plan.learners_per_node)[: plan.learners]
        failed = (process | with_node) & (self.down_s <= 0)
        lost = failed.sum() * self.arriving * plan.checkpoint_every_s / 2
        self.lag += failed * self.arriving * plan.checkpoint_every_s / 2
        self.again += float(lost)
        self.failures += int(failed.sum())
        self.down_s = np.where(failed, np.where(with_node, plan.node_restart_s, plan.restart_s), self.down_s)

    def _learn(self) -> None:
        self.lag += self.arriving * STEP_S
        took = np.where(self.down_s > 0, 0.0, np.minimum(self.lag, self.capacity * STEP_S))
        self.lag -= took
        self.down_s = np.maximum(0.0, self.down_s - STEP_S)
        self.learned += float(took.sum())
        self._since += float(took.sum())

    def _consolidate(self) -> None:
        """One at a time; learners do not wait for it."""
        if self._left_s > 0 and self._draw.random() < self.plan.process_failures_per_hour * STEP_S / HOUR_S:
            self._left_s = self.consolidation_s + self.plan.restart_s
        free_s = STEP_S
        while free_s > 0 and (self._left_s > 0 or self._begins(self._now_s - free_s)):
            took = min(free_s, self._left_s)
            free_s, self._left_s, self._busy_s = free_s - took, self._left_s - took, self._busy_s + took
            if self._left_s <= 0:
                self.versions += 1
                self._version_of_s = self._began - self.plan.checkpoint_every_s / 2

    def _begins(self, now_s: float) -> bool:
        """Where enough was learned: what came meanwhile, however much, is one consolidation."""
        if self._since < self.plan.consolidate_every_examples:
            return False
        self._left_s, self._began = self.consolidation_s, now_s
        self._since %= self.plan.consolidate_every_examples
        return True

    def _measured(self) -> dict[str, float]:
        plan, costs = self.plan, self.costs
        seconds, partitions = plan.hours * HOUR_S, plan.learners * plan.partitions_per_learner
        readers = plan.replicas + plan.learners
        checkpoints = partitions / plan.checkpoint_every_s * costs.checkpoint_bits
        moved = partitions * costs.moved_bits + (1 + readers) * costs.version_bits
        store = checkpoints + self.versions / seconds * moved
        return {
            "examples_per_s": (self.learned - self.again) / seconds,
            "failures": float(self.failures),
            "learned_again_ratio": self.again / self.learned,
            "most_lag_s": max(self._lags),
            "lag_p99_s": float(np.quantile(self._lags, 0.99)),
            "version_age_p99_s": float(np.quantile(self._stale_s, 0.99)),
            "versions_per_hour": self.versions / plan.hours,
            "consolidation_s": self.consolidation_s,
            "moved_bits_of_a_sleep": partitions * costs.moved_bits,
            "store_bits_per_s": store,
            **{f"busy_{name}": busy for name, busy in self._busy(seconds, store).items()},
        }

    def _busy(self, seconds: float, store: float) -> Mapping[str, float]:
        """Of what each kind could do at most; the largest bounds first."""
        return {
            "learners": self.arriving / self.capacity,
            "consolidator": self._busy_s / seconds,
            "store": store / self.plan.store_bits_per_s,
        }
