"""What a cluster is started with, and what each of its processes is made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from streamlearner.app.allocator import keep_freed_memory
from streamlearner.app.cluster import lineage_config
from streamlearner.app.cores import use_threads
from streamlearner.app.learning import check_method
from streamlearner.app.outside import make_source
from streamlearner.app.parts import check_device
from streamlearner.config.cluster_settings import ClusterSection
from streamlearner.config.loading import Config, load
from streamlearner.errors import ConfigError
from streamlearner.merging.contract import Mergeable
from streamlearner.registry.methods import METHODS


@dataclass(frozen=True, slots=True)
class Resources:
    """What Ray sets aside for a process."""

    cpus: float
    memory_bytes: int | None

    def options(self) -> dict[str, Any]:
        """As Ray takes them."""
        memory = {} if self.memory_bytes is None else {"memory": self.memory_bytes}
        return {"num_cpus": self.cpus, **memory}


@dataclass(frozen=True, slots=True)
class Replicas:
    """At least and at most so many; where these differ, as many as make `requests` under way for each."""

    least: int
    most: int
    requests: float

    def options(self) -> dict[str, Any]:
        """As Ray Serve takes them."""
        if self.least == self.most:
            return {"num_replicas": self.most}
        bounds = {"min_replicas": self.least, "max_replicas": self.most}
        return {"autoscaling_config": {**bounds, "target_ongoing_requests": self.requests}}


@dataclass(frozen=True, slots=True)
class Setup:
    """`path` and `settings` are the file and the flags: each process loads the configuration from them
    anew."""

    path: Path | None
    settings: Mapping[str, Any]
    store: str
    partitions: int
    learners: int
    replicas: Replicas
    host: str
    port: int
    consolidate_every_examples: int
    takeover_s: float
    learner: Resources
    consolidator: Resources
    replica: Resources


def make_setup(config: Config, *, path: Path | None, settings: Mapping[str, Any]) -> Setup:
    """Raises ConfigError where these settings are not for several learners, SourceUnreachable without a
    broker."""
    check_cluster(config)
    return setup_with(config, path=path, settings=settings, partitions=partitions_of(config))


def setup_of_replicas(path: Path) -> Setup:
    """For replicas alone, of which there is one at least: nobody asks for partitions. Raises ConfigError."""
    config = load(path=path)
    check_cluster(config)
    found = setup_with(config, path=path, settings={}, partitions=0)
    one = replace(found.replicas, least=1, most=1)
    return found if found.replicas.most else replace(found, replicas=one)


def setup_with(config: Config, *, path: Path | None, settings: Mapping[str, Any], partitions: int) -> Setup:
    """What the settings say of the cluster."""
    section = config.cluster
    return Setup(
        path=path,
        settings=settings,
        store=section.store if "://" in section.store else str(Path(section.store).absolute()),
        partitions=partitions,
        learners=section.learners,
        replicas=replicas_of(section),
        host=config.serving.host,
        port=config.serving.port,
        consolidate_every_examples=section.consolidate_every_examples,
        takeover_s=section.takeover_s,
        learner=Resources(section.learner_cpus, section.learner_memory),
        consolidator=Resources(section.consolidator_cpus, section.consolidator_memory),
        replica=Resources(section.replica_cpus, section.replica_memory),
    )


def replicas_of(section: ClusterSection) -> Replicas:
    """A number is both bounds."""
    wanted = section.replicas
    bounds = {"min": wanted, "max": wanted} if isinstance(wanted, int) else wanted
    return Replicas(bounds["min"], bounds["max"], section.replica_requests)


def check_cluster(config: Config) -> None:
    """Raises ConfigError where these settings are not for several learners."""
    lineage_config(config, partition=0, folder=config.state_dir)
    if config.cluster.store.startswith("memory:"):
        raise ConfigError("cluster.store: memory:// is seen by one process alone: take a folder or s3://")
    kind = METHODS.find(config.method.name).load()
    if not issubclass(kind, Mergeable) or not kind.can_merge:
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
    use_threads(config.threads or 1)
    check_device(config)
    check_method(config)
    return config
