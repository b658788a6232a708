"""What a cluster's processes are made of: a partition's daemon, and a replica (`consolidating`: the rest)."""

from __future__ import annotations

from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from streamlearner.app.access import make_access
from streamlearner.app.assembly import assemble
from streamlearner.app.codec import make_codec
from streamlearner.app.consolidating import Consolidating
from streamlearner.app.machine import THIS_MACHINE
from streamlearner.app.outside import make_dead_letters, make_source
from streamlearner.app.parts import make_eye
from streamlearner.app.serving import make_serving
from streamlearner.config.loading import Config
from streamlearner.daemon.loop import Daemon
from streamlearner.daemon.reports import retention_document
from streamlearner.daemon.requests import Requests, StatusDocuments
from streamlearner.decoding.codec import REASONS, Schema
from streamlearner.errors import ConfigError
from streamlearner.learning.learner import Learner
from streamlearner.learning.merging import draw_apart
from streamlearner.learning.predictor import Predictor
from streamlearner.replicas.port import NOTHING
from streamlearner.serving import Conflict, ReadOnlyAccess
from streamlearner.state.lock import StateLock
from streamlearner.telemetry.metrics import Metrics
from streamlearner.version import __version__

POLL_S = 0.01
"""A learner reads several partitions in turns: none of them may hold up the others."""
WHY_NOT = "this is a replica of a cluster, and only answers: examples and labels go to the topic"


class Unserved:
    """In place of serving: a learner answers nobody, replicas do."""

    scheme, address, version, diverged, predictions = "none", ("", 0), "0", False, None

    def start(self) -> None:
        """There is no port."""

    def stop(self) -> None:
        """There is no port."""

    def refresh(self, predictor: Predictor | None) -> bool:
        return False


def lineage_config(config: Config, *, partition: int, folder: Path) -> Config:
    """The settings of one partition's daemon. Raises ConfigError where the source has no partitions."""
    if config.source.type != "kafka":
        raise ConfigError(
            f"source.type is {config.source.type}: a cluster shares the partitions of a kafka topic"
        )
    kafka = config.source.settings_of("kafka").model_copy(
        update={"partitions": [partition], "group_id": None}
    )
    source = config.source.model_copy(update={"kafka": kafka})
    return config.model_copy(update={"state_dir": folder, "source": source})


def make_lineage(config: Config, *, partition: int, folder: Path) -> Daemon:
    """The daemon of one partition, which serves nobody. Its memory draws by a seed of its own."""
    own = lineage_config(config, partition=partition, folder=folder)
    with ExitStack() as opened:
        opened.enter_context(StateLock(folder))
        source = opened.enter_context(closing(make_source(own, log=None)))
        dead_letters = opened.enter_context(closing(make_dead_letters(own)))
        daemon = assemble(
            own,
            source=source,
            dead_letters=dead_letters,
            eye=make_eye(own),
            serve=lambda *_, **__: Unserved(),  # type: ignore[arg-type]
            resources=opened,
        )
    daemon.poll_timeout_s = POLL_S
    make_learner = daemon.state.learner_factory

    def apart(schema: Schema) -> Learner:
        learner = make_learner(schema)
        draw_apart(learner, number=partition)
        learner.is_shard = True
        return learner

    daemon.state.learner_factory = apart
    return daemon


class Replica:
    """Answers with published versions: each is loaded beside the one that answers, tried, and swapped in."""

    def __init__(self, config: Config) -> None:
        self._work, self._codec = Consolidating(config), make_codec(config)
        self._requests = Requests(
            ingest=None, request_sleep=_refuse, kept_versions=list, clock=THIS_MACHINE.clock
        )
        metrics = Metrics(CollectorRegistry(), version=__version__, reject_reasons=REASONS)
        access = ReadOnlyAccess.of(make_access(config), why=WHY_NOT)
        self._serving = make_serving(
            config, requests=self._requests, metrics=metrics, codec=self._codec, access=access
        )
        self.version, self._retention = 0, retention_document(None)

    @property
    def application(self) -> Any:
        """What answers HTTP."""
        return self._serving.application

    def look(self, newest: int, folder: Path) -> None:
        """Version `newest` answers from now on, if it is another one."""
        if newest > self.version and (state := self._work.read(folder)) is not None:
            self._codec.schema = state.schema
            self._serving.refresh(state.predictor())
            self.version, self._retention = newest, retention_document(state.learner)
        told = {"connected": True, "ready": self.version > 0, "model_version": self._serving.version}
        documents = StatusDocuments(NOTHING | told, retention=self._retention, version=self.version)
        self._requests.publish(documents)
        self._requests.heartbeat(learning=True)


def _refuse() -> None:
    raise Conflict(WHY_NOT)
