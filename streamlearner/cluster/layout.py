"""Where things stand in the store."""

from __future__ import annotations

from pathlib import Path

from streamlearner.cluster.claims import Claims
from streamlearner.cluster.store import Store

ASSIGNMENT, WANTED = "assignment.json", "wanted.json"
LEARNERS, STARTS, REPLICAS, PARTITIONS = "learners", "starts", "replicas", "partitions"
LEASE, REPORT = "consolidator/lease", "consolidator/report.json"
PREFIXES = "prefixes"
"""By which the ids of predictions begin: each process that answered has one."""
RUNS = "runs"
"""Of `streamlearner cluster run`: who started last has the cluster."""


def claims_of(store: Store, partition: int) -> Claims:
    """Who holds a partition."""
    return Claims(store, f"{PARTITIONS}/{partition:05d}/claims")


def state_name(partition: int, epoch: int) -> str:
    """Of the folder in which the holder of an epoch, and nobody else, keeps what it learned."""
    return f"{PARTITIONS}/{partition:05d}/epochs/{epoch:06d}"


def state_folder(store: Store, partition: int, epoch: int) -> Path:
    """Where its holder writes."""
    return store.working(state_name(partition, epoch))
