"""A replica of a cluster: serving, as a daemon's, of published versions; what is sent goes to the stream."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from streamlearner.app.access import make_access
from streamlearner.app.cluster_writes import TopicWrites, make_replica_labels, make_writes
from streamlearner.app.codec import make_codec
from streamlearner.app.consolidating import Consolidating
from streamlearner.app.embedded_state import EmbeddedState
from streamlearner.app.serving import make_serving
from streamlearner.config.loading import Config
from streamlearner.daemon.memory_document import memory_document
from streamlearner.daemon.reports import answered_document, retention_document
from streamlearner.decoding.codec import REASONS
from streamlearner.decoding.shapes import shown_kind
from streamlearner.errors import StreamlearnerError
from streamlearner.replicas.following import warm
from streamlearner.replicas.port import NOTHING, ReplicaPort
from streamlearner.serving import IngestExamples, ReadOnlyAccess, Receipt, Role
from streamlearner.state.predictions import Predictions
from streamlearner.telemetry.metrics import Metrics
from streamlearner.version import __version__

log = logging.getLogger(__name__)

WHY_NOT = (
    "this is a replica of a cluster: it answers, and takes examples and labels; ask the machine that runs "
    "`streamlearner cluster run`"
)


class Replica:
    """Answers with published versions: each is loaded beside the one that answers, warmed, and swapped in.
    `prefix` begins the ids of its predictions; `is_known` tells those of other replicas."""

    def __init__(self, config: Config, *, register: Callable[[str], None], is_known: Callable[[str], bool]):
        self._work, self._codec, self._opened = Consolidating(config), make_codec(config), ExitStack()
        self._metrics = Metrics(CollectorRegistry(), version=__version__, reject_reasons=REASONS)
        writes, prefix = make_writes(config, opened=self._opened), secrets.token_hex(6)
        later = make_replica_labels(config, writes, is_known=is_known, opened=self._opened)
        self._port = _Port(config, writes, later.predictions if later else None)
        register(prefix)
        self._serving = make_serving(
            config,
            requests=self._port,
            metrics=self._metrics,
            codec=self._codec,
            access=ReadOnlyAccess.of(make_access(config), why=WHY_NOT, refused=(Role.OPERATE,)),
            later=later,
            id_prefix=prefix,
        )
        self._serving.start_labels()

    @property
    def application(self) -> Any:
        """What answers HTTP."""
        return self._serving.application

    @property
    def version(self) -> int:
        """That answers; 0 before the first."""
        return self._port.version

    def look(self, newest: int, fetch: Callable[[int], Path]) -> None:
        """Version `newest` answers from now on, if it is another one; where it cannot be had, or gives no
        finite answer, that before, and the next look tries again."""
        try:
            if newest > self.version and (state := self._work.read(fetch(newest))) is not None:
                self._take(newest, state)
        except (StreamlearnerError, OSError) as error:
            return self._failed(f"{type(error).__name__}: {error}")
        self._metrics.see_followed()
        self._port.seen_s, self._port.failure = time.monotonic(), None

    def _take(self, version: int, state: EmbeddedState) -> None:
        predictor = state.predictor()
        warm(predictor)
        self._codec.schema = state.schema
        self._serving.refresh(predictor)
        self._port.take(version, state, model_version=self._serving.version)
        self._metrics.take_followed(version, seen_s=time.time())
        self._metrics.publish_version(self._serving.version, adopted_s=time.time())
        log.info("model version %s answers now", self._serving.version)

    def _failed(self, why: str) -> None:
        """Told of once, as long as it is the same."""
        self._metrics.count_follow_failure()
        if why != self._port.failure:
            log.warning("a published version could not be followed: %s", why)
        self._port.failure = why

    def close(self) -> None:
        """Safe to call twice."""
        self._serving.stop()
        self._opened.close()


class _Port(ReplicaPort):
    """`serving.DaemonPort`: what the version that answers knows, and a way to the stream."""

    def __init__(self, config: Config, writes: TopicWrites, predictions: Predictions | None) -> None:
        super().__init__(where=str(config.cluster.store), clock=time.monotonic)
        self.version, self.seen_s = 0, None  # type: int, float | None
        self._config, self._writes, self._predictions = config, writes, predictions
        self._known: dict[str, Any] = {"ready": False, "model_version": "0", "route": None}
        self._retention, self._memory = retention_document(None), super().memory()

    @property
    def why(self) -> str:
        return WHY_NOT

    def take(self, version: int, state: EmbeddedState, *, model_version: str) -> None:
        """It answers from now on."""
        assert state.learner is not None
        self._retention = retention_document(state.learner)
        self._memory = memory_document(
            state.learner, budget_bits=self._config.memory.budget_bits, predictions=self._predictions
        )
        self._known = {"ready": True, "model_version": model_version, "route": state.learner.method.route}
        self._known |= {"input": shown_kind(state.learner.input_shape)}
        self.version = version

    def status(self) -> dict[str, Any]:
        age_s = None if self.seen_s is None else round(self._clock() - self.seen_s, 3)
        return {
            **NOTHING,
            **self._known,
            "connected": self.failure is None,
            "method": self._config.method.name,
            "answered": answered_document(self._predictions),
            "uptime_s": round(self._clock() - self._started_s, 3),
            "replica": {
                "follows": self._where,
                "version": self.version or None,
                "seen_age_s": age_s,
                "failure": self.failure,
            },
        }

    def retention(self) -> dict[str, Any]:
        """Of the merged exam."""
        return self._retention

    def memory(self) -> dict[str, Any]:
        """Of the merged memory, as the version has it."""
        return self._memory

    def kept_versions(self) -> list[int]:
        return [self.version] if self.version else []

    def ingest(self, examples: IngestExamples) -> Receipt | None:
        """Durable in the topic when it returns."""
        return self._writes.ingest(examples)
