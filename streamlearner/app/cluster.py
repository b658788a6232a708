"""What a cluster's processes are made of: a partition's daemon, and the work of the consolidator."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from prometheus_client import CollectorRegistry

from streamlearner.app.access import make_access
from streamlearner.app.assembly import assemble, make_checkpoints
from streamlearner.app.codec import make_codec
from streamlearner.app.embedded_state import EmbeddedState
from streamlearner.app.machine import THIS_MACHINE
from streamlearner.app.outside import make_dead_letters, make_source
from streamlearner.app.parts import make_eye, seed_of
from streamlearner.app.serving import make_serving
from streamlearner.config.loading import Config
from streamlearner.daemon.intake import Tally
from streamlearner.daemon.loop import Daemon
from streamlearner.daemon.reports import retention_document
from streamlearner.daemon.requests import Requests, StatusDocuments
from streamlearner.decoding.codec import REASONS, Schema
from streamlearner.errors import ConfigError
from streamlearner.learning.learner import Learner
from streamlearner.learning.merging import continue_from, draw_apart, merge
from streamlearner.learning.predictor import Predictor
from streamlearner.replicas.port import NOTHING
from streamlearner.serving import Conflict, ReadOnlyAccess
from streamlearner.state.lock import StateLock
from streamlearner.state.manifest import MANIFEST
from streamlearner.stream import Position
from streamlearner.telemetry.metrics import Metrics
from streamlearner.version import __version__

POLL_S = 0.01
"""A learner reads several partitions in turns: none of them may hold up the others."""
STEPS_AT_ONCE = 1_000
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
        return learner

    daemon.state.learner_factory = apart
    return daemon


class Consolidating:
    """The consolidator's work, on states as a program has them (`embedded_state`)."""

    def __init__(self, config: Config) -> None:
        self._config = config

    def read(self, folder: Path) -> EmbeddedState | None:
        if not (folder / "checkpoints").is_dir():
            return None
        found = make_checkpoints(self._config, folder=folder).latest()
        if found is None or found.facts.get("learner") is None:
            return None
        state = EmbeddedState(self._config)
        state.restore(found)
        return state

    def learned(self, folder: Path) -> int:
        newest = max((folder / "checkpoints").glob("[0-9]*"), default=None)
        try:
            told = json.loads((newest / MANIFEST).read_text()) if newest else {}
        except FileNotFoundError:  # it was pruned meanwhile
            return 0
        return int(told.get("examples") or 0)

    def consolidate(
        self, states: Sequence[EmbeddedState], former: EmbeddedState | None, *, number: int
    ) -> tuple[EmbeddedState, bool, dict[str, Any]]:
        """One state of what all hold, whether its sleep was adopted, and what became of it, as JSON."""
        whole = EmbeddedState(self._config)
        whole.schema, whole.features = states[0].schema, states[0].features
        whole.position = union([state.position for state in states])
        whole.tally = total([state.tally for state in states])
        whole.learner = learner = whole.make_learner()
        if former is not None and former.learner is not None:
            continue_from(learner, former.learner)
        shards = [state.learner for state in states if state.learner is not None]
        generator = torch.Generator().manual_seed((seed_of(self._config, "transplant") << 20) + number)
        recoded = merge(learner, shards, generator=generator)
        learner.begin_consolidation()
        while (result := learner.consolidate(STEPS_AT_ONCE)) is None:
            pass
        document = {
            "before": result.before,
            "after": result.after,
            "steps": result.steps,
            "recoded": recoded.records,
            "distortion_l1": recoded.distortion_l1,
            "recollections": learner.method.remembered,
            "bits": sum(learner.method.stored_bits().values()),
            "bits_moved": sum(sum(shard.method.stored_bits().values()) for shard in shards),
            "classes": len(learner.labels),
        }
        return whole, result.adopted, document

    def write(self, state: EmbeddedState, folder: Path) -> None:
        state.save(folder)


def union(positions: Sequence[Position | None]) -> Position | None:
    """Where several learners of one topic are, as where one would be."""
    known = [position for position in positions if position is not None]
    if not known:
        return None
    places: dict[str, Any] = {}
    for position in known:
        places |= position["partitions"]
    return {**known[0], "partitions": dict(sorted(places.items(), key=lambda place: int(place[0])))}


def total(tallies: Sequence[Tally]) -> Tally:
    """What all of them counted."""
    found = Tally(reasons=dict(sum((Counter(tally.reasons) for tally in tallies), Counter())))
    for name in (field.name for field in fields(Tally) if field.name != "reasons"):
        setattr(found, name, sum(getattr(tally, name) for tally in tallies))
    return found


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
