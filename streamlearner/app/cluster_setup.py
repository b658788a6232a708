"""What a cluster is started with, and what each of its processes is made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from streamlearner.app.allocator import keep_freed_memory
from streamlearner.app.cluster import lineage_config
from streamlearner.app.learning import check_method
from streamlearner.app.outside import make_source
from streamlearner.app.parts import check_device
from streamlearner.config.loading import Config, load
from streamlearner.errors import ConfigError
from streamlearner.merging.contract import Mergeable
from streamlearner.registry.methods import METHODS


@dataclass(frozen=True, slots=True)
class Setup:
    """`path` and `settings` are the file and the flags: each process loads the configuration from them
    anew."""

    path: Path | None
    settings: Mapping[str, Any]
    store: Path
    partitions: int
    learners: int
    replicas: int
    host: str
    port: int
    consolidate_every_examples: int
    takeover_s: float
    learner_cpus: float
    consolidator_cpus: float
    replica_cpus: float


def make_setup(config: Config, *, path: Path | None, settings: Mapping[str, Any]) -> Setup:
    """Raises ConfigError where these settings are not for several learners, SourceUnreachable without a
    broker."""
    check_cluster(config)
    section = config.cluster
    return Setup(
        path=path,
        settings=settings,
        store=section.store.absolute(),
        partitions=partitions_of(config),
        learners=section.learners,
        replicas=section.replicas,
        host=config.serving.host,
        port=config.serving.port,
        consolidate_every_examples=section.consolidate_every_examples,
        takeover_s=section.takeover_s,
        learner_cpus=section.learner_cpus,
        consolidator_cpus=section.consolidator_cpus,
        replica_cpus=section.replica_cpus,
    )


def check_cluster(config: Config) -> None:
    """Raises ConfigError where these settings are not for several learners."""
    lineage_config(config, partition=0, folder=config.state_dir)
    kind = METHODS.find(config.method.name).load()
    if not issubclass(kind, Mergeable):
        raise ConfigError(
            f"method.name: {config.method.name} remembers nothing that could be merged exactly: for a "
            "cluster choose recollection_replay or streaming_statistics"
        )


def partitions_of(config: Config) -> int:
    """Of the configured topic. Raises SourceUnreachable."""
    source = make_source(config, log=None)
    source.open(None)
    try:
        return len(source.position["partitions"])
    finally:
        source.close()


def open_config(setup: Setup) -> Config:
    """In a process of the cluster: the configuration of the command that started it."""
    keep_freed_memory()
    config = load(path=setup.path, settings=setup.settings)
    torch.set_num_threads(config.threads or 1)
    check_device(config)
    check_method(config)
    return config
