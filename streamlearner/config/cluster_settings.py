"""The settings of a cluster: how many learners and replicas, where they meet, what each takes."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from streamlearner.registry.section import Bytes, Count, OptionError, Place, Seconds, Section, Workers

BOUNDS = ("min", "max")
MOST = 1_024


def _bounds(value: Any) -> Any:
    """Text of a whole number, as an environment holds it, is that number."""
    return int(value) if isinstance(value, str) and value.isdigit() else value


def _in_order(value: int | dict[str, int]) -> int | dict[str, int]:
    """A number, or its bounds. Raises OptionError, ValueError."""
    if isinstance(value, int):
        if not 0 <= value <= MOST:
            raise ValueError(f"a whole number from 0 to {MOST}, or {{min: 2, max: 8}}")
        return value
    for name in value:
        if name not in BOUNDS:
            raise OptionError(name, f"min and max alone, not {name}")
    if sorted(value) != sorted(BOUNDS) or not 1 <= value["min"] <= value["max"] <= MOST:
        raise ValueError(f"both min and max, with 1 <= min <= max <= {MOST}")
    return value


Replicas = Annotated[int | dict[str, int], BeforeValidator(_bounds), AfterValidator(_in_order)]


class ClusterSection(Section):
    """More than one machine, by `streamlearner cluster`; a single daemon has no use for it."""

    store: Place = "cluster"
    """a folder that every machine reaches, or s3://bucket/folder: claims, checkpoints of each partition,
    published versions"""
    learners: Workers = 2
    """processes that share the topic's partitions"""
    replicas: Replicas = 2
    """processes that answer predictions, behind one port; {min: 2, max: 8}: as many as the requests under way
    need, by Ray Serve"""
    replica_requests: float = Field(default=2.0, gt=0)
    """requests under way at once that one replica is to have on average, where their number follows them"""
    consolidate_every_examples: Count = 5_000
    """learned by all together, between two consolidations"""
    takeover_s: Seconds = 10.0
    """seconds after which partitions are taken from a learner that does not give them up"""
    learner_cpus: float = Field(default=1.0, gt=0)
    """cores that Ray sets aside for a learner"""
    learner_memory: Bytes | None = Field(default=None, examples=["2 GiB"])
    """memory that Ray sets aside for a learner; null: none. It places processes by it, and bounds none"""
    consolidator_cpus: float = Field(default=1.0, gt=0)
    """the same for the consolidator"""
    consolidator_memory: Bytes | None = Field(default=None, examples=["2 GiB"])
    """the same for the consolidator"""
    replica_cpus: float = Field(default=0.5, gt=0)
    """the same for a replica"""
    replica_memory: Bytes | None = Field(default=None, examples=["1 GiB"])
    """the same for a replica"""
