"""Whatever happens to the learners, each example counts once, by an independent count of the files."""

from __future__ import annotations

import os
import random
import uuid
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from streamlearner.cluster.learner import ClusterLearner
from streamlearner.cluster.lineage import Fenced
from tests.support.clusters import Cluster, a_cluster, produce_digits
from tests.support.kafka_topic import make_topic

pytestmark = [pytest.mark.broker, pytest.mark.slow]
EVENTS = int(os.environ.get("CLUSTER_EVENTS", "9"))
"""Kills, changes of the number of learners and frozen ones, together. (130 take a quarter of an hour.)"""
PARTITIONS, AT_ONCE, MOST_LEARNERS, DIGITS = 4, 24, 4, 1_700


class Fate:
    """What happens to a cluster, drawn from a seed."""

    def __init__(self, cluster: Cluster, seed: int) -> None:
        self.cluster, self.draw = cluster, random.Random(seed)
        self.frozen: list[ClusterLearner] = []
        self.happened: Counter[str] = Counter()

    def strike(self) -> None:
        kind = self.draw.choices(["kill", "scale", "freeze", "wake"], [10, 3, 2, 2])[0]
        names = sorted(self.cluster.learners)
        if kind == "kill":
            name = self.draw.choice(names)
            self.cluster.kill(name)
            self.cluster.start(name)
        elif kind == "scale":
            self.cluster.scale(self.draw.randint(1, MOST_LEARNERS))
        elif kind == "freeze":
            name = self.draw.choice(names)
            self.frozen.append(self.cluster.learners.pop(name))
            self.cluster.start(name)
        elif self.frozen:
            self._wake(self.frozen.pop(self.draw.randrange(len(self.frozen))))
        self.happened[kind] += 1

    def _wake(self, learner: ClusterLearner) -> None:
        """It goes on where it was frozen, in the middle of a round: it learns, and saves what it learned."""
        for lineage in learner.lineages.values():
            lineage.daemon.wake()
            lineage.daemon.checkpoint()
        learner._looked_s = 0.0
        try:
            learner.turn()
        except Fenced:
            return
        raise AssertionError("two processes of one name go on beside each other")

    def end(self) -> None:
        for learner in self.frozen:
            self._wake(learner)


def test_each_example_counts_once_whatever_happens(broker: Any, tmp_path: Path) -> None:
    topic, sent = f"kills-{uuid.uuid4().hex[:8]}", [0] * PARTITIONS
    make_topic(broker, topic, partitions=PARTITIONS)
    with a_cluster(
        broker, topic, tmp_path / "store", partitions=PARTITIONS, checkpoint__every_examples=15
    ) as cluster:
        cluster.scale(2)
        fate = Fate(cluster, seed=EVENTS)
        for event in range(EVENTS):
            if (first := event * AT_ONCE) < DIGITS:
                more = produce_digits(broker, topic, AT_ONCE, partitions=PARTITIONS, first=first)
                sent = [one + other for one, other in zip(sent, more, strict=True)]
            for _ in range(fate.draw.randrange(4)):
                cluster.step()
            fate.strike()
        cluster.until(sum(sent), limit_s=300.0)
        fate.end()
        cluster.stop()
        counted = cluster.counted()
    assert [counted[number]["offset"] for number in range(PARTITIONS)] == sent
    assert [counted[number]["examples"] for number in range(PARTITIONS)] == sent, fate.happened
    assert sum(it["duplicates"] for it in counted.values()) == 0
