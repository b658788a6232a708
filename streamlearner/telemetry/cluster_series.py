"""The series of a cluster, by learner, by partition and in all, from its status document."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

PREFIX = "streamlearner_cluster_"


@dataclass(frozen=True, slots=True)
class ClusterSeries:
    """A gauge, after `PREFIX`; by `label`, or "" of all together."""

    name: str
    description: str
    label: str = ""


SERIES = (
    ClusterSeries("learners", "Learners that are wanted."),
    ClusterSeries("learner_partitions", "Partitions that a learner reads.", "learner"),
    ClusterSeries("learner_examples", "Examples that count, of the partitions of a learner.", "learner"),
    ClusterSeries("learner_examples_per_s", "Messages that a learner takes in a second.", "learner"),
    ClusterSeries("learner_lag", "Messages of its partitions that a learner has before it.", "learner"),
    ClusterSeries("learner_bits", "Bits that are remembered of the partitions of a learner.", "learner"),
    ClusterSeries("learner_restarts", "How often a learner was started again.", "learner"),
    ClusterSeries("learner_silent_seconds", "Since a learner reported.", "learner"),
    ClusterSeries("partition_owned", "1 where a learner that reports reads it, else 0.", "partition"),
    ClusterSeries("partition_epoch", "How often the partition was claimed.", "partition"),
    ClusterSeries("version", "The newest published version."),
    ClusterSeries("replicas", "Replicas that reported within the last seconds."),
    ClusterSeries("replica_version_min", "The oldest version that one of them answers with."),
    ClusterSeries("replicas_behind", "Replicas that are behind by more than one version."),
    ClusterSeries("consolidation_seconds", "What the last consolidation took."),
    ClusterSeries("consolidation_timestamp_seconds", "When the last consolidation ended."),
    ClusterSeries("consolidation_refused", "1 where the last consolidation was refused, else 0."),
    ClusterSeries("consolidation_bits_moved", "Bits that the last consolidation read of checkpoints."),
    ClusterSeries("unconsolidated_examples", "Learned since the last consolidation."),
)
BEHIND = 1
"""Versions: a replica loads the newest while it answers with the one before."""


def samples(status: Mapping[str, Any]) -> Iterator[tuple[str, str, float]]:
    """Of each series its name, the value of its label and its own."""
    yield "learners", "", len(status["learners"])
    for learner in status["learners"]:
        name = learner["name"]
        yield "learner_partitions", name, len(learner["partitions"])
        yield "learner_silent_seconds", name, learner["silent_s"]
        for figure in ("examples", "examples_per_s", "lag", "bits", "restarts"):
            yield f"learner_{figure}", name, learner[figure]
    read = {number for it in status["learners"] if not it["silent"] for number in it["partitions"]}
    for partition, epoch in status["epochs"].items():
        yield "partition_owned", partition, partition in read
        yield "partition_epoch", partition, epoch
    yield "version", "", status["version"]
    answered = [replica["version"] for replica in status["replicas"]]
    yield "replicas", "", len(answered)
    yield "replica_version_min", "", min(answered, default=0)
    yield "replicas_behind", "", sum(status["version"] - version > BEHIND for version in answered)
    yield from _consolidation(status)


def _consolidation(status: Mapping[str, Any]) -> Iterator[tuple[str, str, float]]:
    last = status["consolidation"] or {}
    learned = sum(own["learned"] for it in status["learners"] for own in it["partitions"].values())
    yield "unconsolidated_examples", "", max(0, learned - last.get("learned", 0))
    if last:
        yield "consolidation_seconds", "", last["seconds"]
        yield "consolidation_timestamp_seconds", "", last["at_s"]
        yield "consolidation_refused", "", last["outcome"] == "refused"
        yield "consolidation_bits_moved", "", last.get("bits_moved", 0)


class ClusterMetrics:
    """Sets gauges that `make` makes: of a name, a description and the names of its labels. What is no more,
    such as a learner that went, is set to 0: a gauge of Ray's keeps its last value for ever."""

    def __init__(self, make: Callable[[str, str, tuple[str, ...]], Any]) -> None:
        self._series = {each.name: each for each in SERIES}
        self._gauges = {
            each.name: make(PREFIX + each.name, each.description, (each.label,) if each.label else ())
            for each in SERIES
        }
        self._told: set[tuple[str, str]] = set()

    def publish(self, status: Mapping[str, Any]) -> None:
        found = {(name, value): float(figure) for name, value, figure in samples(status)}
        for name, value in self._told - found.keys():
            self._set(name, value, 0.0)
        for (name, value), figure in found.items():
            self._set(name, value, figure)
        self._told |= found.keys()

    def _set(self, name: str, value: str, figure: float) -> None:
        label = self._series[name].label
        self._gauges[name].set(figure, {label: value} if label else {})
