"""A replica: serving, as a daemon's, of the versions that a daemon publishes."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import replace

from prometheus_client import CollectorRegistry

from streamlearner.app.access import make_access, make_token, tell_access
from streamlearner.app.codec import make_codec
from streamlearner.app.cores import use_threads
from streamlearner.app.parts import make_eye
from streamlearner.app.serving import make_serving
from streamlearner.config.loading import Config
from streamlearner.decoding.codec import REASONS, Codec, Schema
from streamlearner.export.card import Card
from streamlearner.replicas import Followed, Follower, Location, NotServed
from streamlearner.replicas.port import ReplicaPort
from streamlearner.serving import ReadOnlyAccess, Serving
from streamlearner.state.private import private_files
from streamlearner.telemetry.metrics import Metrics
from streamlearner.version import __version__

log = logging.getLogger(__name__)


class Replica:
    """Answers by the version that is published, and by the next one once it is loaded and warm. `serving`,
    `codec` and the follower are used by several threads, as in a daemon."""

    def __init__(
        self, *, serving: Serving, codec: Codec, port: ReplicaPort, metrics: Metrics, follower: Follower
    ) -> None:
        self.serving, self._codec, self._port = serving, codec, port
        self._metrics, self.follower = metrics, follower
        self._ended = threading.Event()
        port.follower = follower

    def run(self) -> None:
        """Answers until `stop`. Raises `ConfigError` where the port cannot be had."""
        try:
            self.serving.start()
            log.info("serving on %s://%s:%d", self.serving.scheme, *self.serving.address)
            self.follower.start()
            self._ended.wait()
        finally:
            self.follower.stop()
            self.serving.stop()

    def stop(self) -> None:
        """From any thread, or a signal handler."""
        self._ended.set()

    def take(self, followed: Followed) -> None:
        """The follower's: this version answers from now on, to each request whole."""
        card, predictor = followed.card, followed.predictor
        dtype = "uint8" if len(predictor.input_shape) == 3 else "float32"
        schema, before = Schema(shape=predictor.input_shape, dtype=dtype), self._codec.schema
        if before not in (None, schema):
            raise NotServed(f"version {card.version} takes inputs {schema}, those before took {before}")
        self._miss(card)
        self._codec.schema = schema
        self.serving.refresh(predictor)
        self._port.now, self._port.failure = followed, None
        self._metrics.take_followed(card.version, seen_s=time.time())
        self._metrics.publish_version(card.model_version, adopted_s=card.created)
        log.info("model version %s answers now (%s)", card.model_version, card.answers)

    def seen(self) -> None:
        """The follower's: a look without fault."""
        self._metrics.see_followed()
        self._port.failure = None

    def _miss(self, card: Card) -> None:
        """What stands for a missing number is the model's affair; of cards that do not say, the settings'."""
        limits, named = self._codec.limits, card.signature.missing_as
        values = (limits.missing or frozenset()) if named is None else frozenset(named)
        found = replace(limits, missing=values if card.signature.missing else None)
        if self._port.now is not None and found != limits:
            raise NotServed(
                f"version {card.version} takes other numbers for missing ones than those before: start this "
                "replica again to follow it"
            )
        self._codec.limits = found

    def failed(self, why: str) -> None:
        """The follower's: told of once, as long as it is the same."""
        self._metrics.count_follow_failure()
        if why != self._port.failure:
            log.warning(
                "%s; %s", why, "the version before goes on answering" if self._port.now else "no version yet"
            )
        self._port.failure = why


def build_replica(config: Config, *, where: str, every_s: float) -> Replica:
    """Of the configuration it takes `serving`, `codec` and `eye`; of `state_dir` no more than the token of
    `serving.make_token`. Raises `ConfigError`, and `CheckpointError` where that cannot be made."""
    with private_files():
        make_token(config)
    tell_access(config)
    use_threads(config.threads)
    codec = make_codec(config)
    metrics = Metrics(CollectorRegistry(), version=__version__, reject_reasons=REASONS)
    port = ReplicaPort(where=where, clock=time.monotonic)
    access = ReadOnlyAccess.of(make_access(config), why=port.why)
    serving = make_serving(config, requests=port, metrics=metrics, codec=codec, access=access)
    follower = Follower(
        Location(where),
        take=lambda followed: replica.take(followed),
        failed=lambda why: replica.failed(why),
        seen=lambda: replica.seen(),
        every_s=every_s,
        eye=make_eye(config),
        threads=config.threads,
    )
    replica = Replica(serving=serving, codec=codec, port=port, metrics=metrics, follower=follower)
    return replica
