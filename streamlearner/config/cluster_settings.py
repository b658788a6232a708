"""The settings of a cluster: how many learners and replicas, where they meet, what each takes."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from streamlearner.registry.section import Count, Folder, Seconds, Section


class ClusterSection(Section):
    """More than one machine, by `streamlearner cluster`; a single daemon has no use for it."""

    store: Folder = Path("cluster")
    """a folder that every machine reaches: claims, checkpoints of each partition, published versions"""
    learners: Count = 2
    """processes that share the topic's partitions"""
    replicas: int = Field(default=2, ge=0)
    """processes that answer predictions, behind one port"""
    consolidate_every_examples: Count = 5_000
    """learned by all together, between two consolidations"""
    takeover_s: Seconds = 10.0
    """seconds after which partitions are taken from a learner that does not give them up"""
    learner_cpus: float = Field(default=1.0, gt=0)
    """cores that Ray sets aside for a learner"""
    consolidator_cpus: float = Field(default=1.0, gt=0)
    """the same for the consolidator"""
    replica_cpus: float = Field(default=0.5, gt=0)
    """the same for a replica"""
