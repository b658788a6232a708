"""Examples a second of two learners over those of one, each held to a core; and what consolidating costs."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streamlearner.bench.kit.experiment import Scope, Trial, trial_rows
from streamlearner.bench.kit.fixture import Fixture
from streamlearner.bench.kit.results import Row
from streamlearner.bench.material.cluster_processes import processes
from streamlearner.errors import StreamlearnerError

BUDGET_BITS, PARTITIONS = 313_600, 4
TURNS, SECONDS, EXAMPLES = 5, 20.0, 60_000
QUICK_SECONDS, QUICK_EXAMPLES = 2.0, 3_000
SETTINGS: dict[str, Any] = {
    "memory.budget_bits": BUDGET_BITS,
    "memory.sampling": "balanced",
    "network.name": "lenet",
    "sleep.steps": 300,
    "threads": 1,
    "source.type": "kafka",
    "checkpoint.every_examples": 250,
    "cluster.consolidate_every_examples": 2_000,
}


@dataclass(frozen=True, slots=True)
class ClusterThroughput:
    """Turns of one learner, two, and two with a consolidator beside them."""

    name: str = "cluster-throughput"
    protocol: str = (
        "MNIST in a topic of four partitions that holds all of it before learners start (no lag of a "
        "producer), default method, LeNet, 313,600 bits a partition, one thread. In turns: one learner, held "
        "to the first core; two, held to the first and the second; the two with a consolidator, held to the "
        "second, that consolidates each 2,000 examples (300 steps) of what checkpoints tell it, one each 250 "
        "examples of a partition. Examples a second by the clock in 20 s from the moment all partitions are "
        "read: the machine must have nothing else to do. Values are medians of ratios within a turn, and of "
        "seconds."
    )

    def trials(self, scope: Scope) -> Iterable[Trial]:
        return [Trial("two_learners", BUDGET_BITS, seed) for seed in range(scope.seeds if scope.kafka else 0)]

    def run(self, trial: Trial, *, fixture: Fixture, scope: Scope) -> Iterator[Row]:
        assert scope.kafka is not None
        if len(cores := sorted(os.sched_getaffinity(0))) < 2:
            raise StreamlearnerError("two learners that are each held to a core need two cores")
        began_s, stream = (
            time.perf_counter(),
            fixture.load_dataset("MNIST", True, QUICK_EXAMPLES if scope.quick else EXAMPLES),
        )
        source = fixture.build_kafka_source(fixture.messages(stream), scope.kafka)
        source.open(None)
        topic = source.position["topic"]
        source.close()
        kafka = {"source.kafka.bootstrap_servers": scope.kafka, "source.kafka.topic": topic}
        settings, seconds = SETTINGS | kafka | {"seed": trial.seed}, QUICK_SECONDS if scope.quick else SECONDS
        turns = [a_turn(settings, cores[:2], seconds) for _ in range(1 if scope.quick else TURNS)]
        if not scope.quick and not all(turn["consolidation_s"] for turn in turns):
            raise StreamlearnerError(f"in {seconds:g} s nothing was consolidated: what that costs is unknown")
        measured = {name: statistics.median(turn[name] for turn in turns) for name in turns[0]}
        yield from trial_rows(
            trial,
            {name: round(value, 4) for name, value in measured.items()},
            parameter_bits=0,
            stored_bits=BUDGET_BITS,
            seconds=time.perf_counter() - began_s,
            examples=len(stream.labels),
        )


def a_turn(settings: dict[str, Any], cores: list[int], seconds: float) -> dict[str, float]:
    one, _ = timed(settings, cores[:1], seconds)
    two, _ = timed(settings, cores, seconds)
    beside, consolidation_s = timed(settings, cores, seconds, consolidator_on=cores[1])
    return {
        "one_examples_per_s": one,
        "two_examples_per_s": two,
        "two_over_one_ratio": two / one,
        "kept_beside_consolidator_ratio": beside / two,
        "consolidation_s": consolidation_s,
    }


def timed(
    settings: dict[str, Any], cores: list[int], seconds: float, *, consolidator_on: int | None = None
) -> tuple[float, float]:
    """Examples a second, and how long the last consolidation took, by the clock (0 where there was none)."""
    with (
        tempfile.TemporaryDirectory(prefix="streamlearner-bench-") as name,
        processes(Path(name), settings, partitions=PARTITIONS) as running,
    ):
        running.start(cores, consolidator_on=consolidator_on)
        running.until_all_learn()
        speed = running.examples_per_s(seconds)
        return speed, float(running.consolidation().get("seconds", 0.0))


CLUSTER_THROUGHPUT = ClusterThroughput()
