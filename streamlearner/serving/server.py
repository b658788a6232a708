"""Serving: the HTTP application as the daemon uses it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable

from streamlearner.decoding.codec import Codec
from streamlearner.learning.predictor import Predictor
from streamlearner.serving.access import Access
from streamlearner.serving.answers import Answers
from streamlearner.serving.application import assemble
from streamlearner.serving.daemon_port import DaemonPort
from streamlearner.serving.labels import Joining, LabelsLater
from streamlearner.serving.labels_topic import labels_topic
from streamlearner.serving.parts import (
    Parts,
    Ports,
    RequestLimits,
    lending_of,
    listener_of,
    recorder_of,
    rpc_of,
)
from streamlearner.serving.served_model import ServedModel
from streamlearner.serving.workers import Pools
from streamlearner.state.history import History
from streamlearner.telemetry.metrics import Metrics
from streamlearner.version import __version__

REFRESH_EVERY_S = 5.0
"""Between fresh copies for predictions, where few examples come."""


class Serving:
    """Predictions, admin, health and metrics over HTTP, and the Open Inference Protocol also over gRPC.

    The daemon calls `start`, `refresh` and `stop` from its learning thread. Everything else happens in other
    threads, which see learning only through `daemon` and the frozen copies that `refresh` makes. `id_prefix`
    distinguishes the prediction ids of this run from those of any other. `later` keeps them for their labels;
    None: no label can come later. `history` is what the page remembers, sampled every `history_every_s`.
    """

    def __init__(
        self,
        *,
        ports: Ports,
        daemon: DaemonPort,
        metrics: Metrics,
        codec: Codec,
        access: Access = Access(),  # noqa: B008
        limits: RequestLimits = RequestLimits(),  # noqa: B008
        refresh_every_examples: int = 200,
        model_name: str = "streamlearner",
        id_prefix: str | None = None,
        later: LabelsLater | None = None,
        history: History | None = None,
        history_every_s: float = 5.0,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self._served = ServedModel(
            every_examples=refresh_every_examples, every_s=REFRESH_EVERY_S, metrics=metrics, now_s=now_s
        )
        self.predictions = later.predictions if later else None
        self._joining = Joining(later, metrics=metrics) if later else None
        self._topic = labels_topic(later, self._joining)
        self._recorder = recorder_of(history, daemon=daemon, metrics=metrics, every_s=history_every_s)
        self._pools = Pools.start(prediction_threads=limits.prediction_threads)
        answers = Answers(
            served=self._served, metrics=metrics, id_prefix=id_prefix or secrets.token_hex(6),
            predictions=self.predictions, now_s=now_s,
        )  # fmt: skip
        parts = Parts(
            answers=answers, served=self._served, daemon=daemon, metrics=metrics, codec=codec,
            guard=access.guard(), pools=self._pools, limits=limits, predictions=self.predictions,
            joining=self._joining, history=history, version=__version__, model_name=model_name,
        )  # fmt: skip
        self.application = assemble(parts, access=access, bound=ports.host)
        self._rpc = rpc_of(parts, ports)
        self._lending = lending_of(parts, ports, tells_clients_apart=access.requests_per_s is not None)
        self._listener = listener_of(self.application, parts, ports, lending=self._lending)

    @property
    def current(self) -> Predictor | None:
        """The frozen model that answers now."""
        return self._served.current

    @property
    def version(self) -> str:
        """That of the model that answers now, `adopted.examples`; "0" before the first."""
        return str(self.current.version) if self.current is not None else "0"

    @property
    def diverged(self) -> bool:
        """True where no answer of the model that answers now is finite."""
        return self._served.diverged

    @property
    def lent(self) -> int:
        """Connections that the gateway has now."""
        return len(self._lending.lent) if self._lending is not None else 0

    @property
    def scheme(self) -> str:
        """http, or https where there is TLS."""
        return self._listener.scheme

    @property
    def address(self) -> tuple[str, int]:
        """Host and port; the port that was picked, once started with port 0."""
        return self._listener.address

    @property
    def grpc_address(self) -> tuple[str, int] | None:
        """The same for gRPC; None where it is off."""
        return self._rpc.address if self._rpc is not None else None

    def start(self) -> None:
        """Binds the ports, then answers. Raises `ConfigError` where an address cannot be had."""
        self.start_labels()
        if self._rpc is not None:
            self._rpc.start()
        self._listener.start()
        if self._recorder is not None:
            self._recorder.start()

    def start_labels(self) -> None:
        """Joins what was noted before, and what comes by a topic: alone, where another has the port and asks
        `application`."""
        if self._joining is not None:
            self._joining.recover()
        if self._topic is not None:
            self._topic.start()

    def refresh(self, predictor: Predictor | None) -> bool:
        """Serves a frozen copy of `predictor` where that is due (`ServedModel.refresh`); None: not yet."""
        return predictor is not None and self._served.refresh(predictor)

    def stop(self) -> None:
        """Finishes requests under way, for up to 3 s; frees the ports. Safe to call twice, or unstarted."""
        if self._recorder is not None:
            self._recorder.stop()
        if self._topic is not None:
            self._topic.stop()
        if self._rpc is not None:
            self._rpc.stop()
        self._listener.stop()
        self._pools.stop()
