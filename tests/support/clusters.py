"""A cluster in one process: its learners and its consolidator in turns, over a real topic."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from sklearn.datasets import load_digits

from streamlearner.app.cluster import make_lineage
from streamlearner.app.consolidating import Consolidating
from streamlearner.cluster.assignment import assigned, read_assignment
from streamlearner.cluster.consolidator import Consolidator
from streamlearner.cluster.layout import ASSIGNMENT, claims_of, state_folder
from streamlearner.cluster.learner import ClusterLearner
from streamlearner.cluster.store import Store
from streamlearner.cluster.versions import PublishedVersions
from streamlearner.config import loading as config
from streamlearner.daemon.loop import Daemon
from streamlearner.decoding.codec import encode_raw
from tests.support.kafka_topic import producer

TAKEOVER_S = 2.0


def produce_digits(broker: Any, topic: str, count: int, *, partitions: int, first: int = 0) -> list[int]:
    """Digit `k` goes to partition `k % partitions`; how many each partition got."""
    bundle, sent = load_digits(), [0] * partitions
    with producer(broker) as made:
        for number in range(first, first + count):
            row = number % len(bundle.images)
            image = torch.tensor((bundle.images[row] * 15).astype("uint8")).numpy()
            label = int(bundle.target[row])
            value, headers = encode_raw(image, label=label, id=f"digit-{number}")
            made.send(topic, value, headers=list(headers), partition=label % partitions)
            sent[label % partitions] += 1
        made.flush()
    return sent


class Cluster:
    """Everything but Ray: `step` gives each learner a turn."""

    def __init__(self, broker: Any, topic: str, folder: Path, *, partitions: int, **settings: Any) -> None:
        chosen: dict[str, Any] = {
            "source.type": "kafka",
            "source.kafka.bootstrap_servers": broker.address,
            "source.kafka.topic": topic,
            "source.kafka.client": {"reconnect_backoff_max_ms": 500},
            "memory.budget_bits": "16 KiB",
            "sleep.steps": 60,
            "checkpoint.every_examples": 40,
            "threads": 1,
        }
        chosen |= {name.replace("__", "."): value for name, value in settings.items()}
        self.config = config.load(path=None, settings=chosen, environ={})
        self.store, self.partitions = Store(folder), partitions
        self.learners: dict[str, ClusterLearner] = {}
        self.work = Consolidating(self.config)

    def scale(self, count: int) -> None:
        """To learners 0 to count - 1; who is new is started, who goes gives up what it has."""
        names = [f"learner-{number}" for number in range(count)]
        self.store.replace(ASSIGNMENT, assigned(self.partitions, names, read_assignment(self.store)))
        for name in names:
            if name not in self.learners:
                self.start(name)
        for name in [name for name in self.learners if name not in names]:
            self.learners.pop(name).stop()

    def start(self, name: str) -> ClusterLearner:
        self.learners[name] = ClusterLearner(
            name=name,
            store=self.store,
            make_daemon=lambda partition, folder: make_lineage(
                self.config, partition=partition, folder=folder
            ),
            load_version=self.version,
            takeover_s=TAKEOVER_S,
        )
        return self.learners[name]

    def _make_daemon(self, partition: int, folder: Path) -> Daemon:
        return make_lineage(self.config, partition=partition, folder=folder)

    def kill(self, name: str) -> ClusterLearner:
        """As kill -9 does: nothing is saved, nothing is given up. (Ports and locks are freed, as they would
        be.)"""
        gone = self.learners.pop(name)
        for lineage in gone.lineages.values():
            lineage.daemon.close()
        return gone

    def version(self, number: int) -> Any:
        state = self.work.read(PublishedVersions(self.store).folder(number))
        assert state is not None and state.learner is not None
        return state.learner

    def consolidator(
        self, holder: str = "consolidator", *, every_examples: int = 100
    ) -> Consolidator[Any, Any]:
        return Consolidator(holder=holder, store=self.store, work=self.work, every_examples=every_examples)

    def step(self) -> None:
        for learner in list(self.learners.values()):
            learner.turn()

    def until(self, messages: int, *, limit_s: float = 120.0) -> None:
        """Until so many messages have been taken by those who hold partitions now."""
        end_s = time.monotonic() + limit_s
        while self.taken < messages:
            assert time.monotonic() < end_s, f"{self.taken} of {messages} messages after {limit_s} s"
            self.step()

    @property
    def taken(self) -> int:
        lineages = [it for learner in self.learners.values() for it in learner.lineages.values()]
        return sum(lineage.daemon.state.tally.messages for lineage in lineages)

    def stop(self) -> None:
        for name in list(self.learners):
            self.learners.pop(name).stop()

    def counted(self) -> dict[int, dict[str, int]]:
        return counted(self.store, self.partitions)


def counted(store: Store, partitions: int) -> dict[int, dict[str, int]]:
    """An independent count: by partition, what the files of the newest epoch's newest checkpoint say."""
    found = {}
    for partition in range(partitions):
        newest = claims_of(store, partition).newest()
        assert newest is not None
        checkpoints = state_folder(store, partition, newest.epoch) / "checkpoints"
        last = max(checkpoints.glob("[0-9]*"))
        facts = json.loads((last / "facts.json").read_text())
        position = json.loads((last / "manifest.json").read_text())["position"]
        progress = facts["learner"]["progress"] if facts["learner"] else {"learned": 0, "withheld": 0}
        found[partition] = {
            "offset": position["partitions"][str(partition)]["offset"],
            "examples": progress["learned"] + progress["withheld"],
            "duplicates": facts["tally"]["duplicate"],
        }
    return found


@contextmanager
def a_cluster(broker: Any, topic: str, folder: Path, **settings: Any) -> Iterator[Cluster]:
    cluster = Cluster(broker, topic, folder, **settings)
    try:
        yield cluster
    finally:
        for name in list(cluster.learners):
            cluster.kill(name)
