"""Serving: the HTTP application as the daemon uses it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable

from streamlearner.decoding.codec import Codec
from streamlearner.gateway import sockets
from streamlearner.gateway.requests import FORWARDED, MEANS_SOMETHING
from streamlearner.learning.predictor import Predictor
from streamlearner.serving.access import Access
from streamlearner.serving.answers import Answers
from streamlearner.serving.application import assemble
from streamlearner.serving.asking import Asking
from streamlearner.serving.bodies import Bodies
from streamlearner.serving.connection import ConnectionLimits
from streamlearner.serving.daemon_port import DaemonPort
from streamlearner.serving.health import Health
from streamlearner.serving.history.recorder import Recorder
from streamlearner.serving.history.route import Remembered
from streamlearner.serving.labels import Joining, LabelsLater
from streamlearner.serving.labels_topic import labels_topic
from streamlearner.serving.lending import Lending
from streamlearner.serving.lent_answers import LentAnswers
from streamlearner.serving.listener import HEADERS, Listener
from streamlearner.serving.open_inference.model import ServedByProtocol
from streamlearner.serving.open_inference.rpc_listener import make_rpc
from streamlearner.serving.served_model import ServedModel
from streamlearner.serving.tls import Tls
from streamlearner.serving.workers import Pools
from streamlearner.state.history import History
from streamlearner.telemetry.metrics import Metrics
from streamlearner.version import __version__


class Serving:
    """Predictions, admin, health and metrics on `host`:`port` (0 picks a free one), and the Open Inference
    Protocol also over gRPC on `grpc_port` (None: not).

    The daemon calls `start`, `refresh` and `stop` from its learning thread. Everything else happens in other
    threads, which see learning only through `daemon` and the frozen copies that `refresh` makes.
    `id_prefix` distinguishes the prediction ids of this run from those of any other. `later` keeps them
    for their labels; None: no label can come later. `history` is what the page remembers, sampled every
    `history_every_s`. `gateway`: connections that ask one prediction after the other are served by a process
    beside this one, but with TLS.
    """

    def __init__(
        self,
        *,
        host: str,
        port: int,
        daemon: DaemonPort,
        metrics: Metrics,
        codec: Codec,
        access: Access = Access(),  # noqa: B008
        tls: Tls | None = None,
        max_body_bytes: int = 32 * 2**20,
        max_batch: int = 1024,
        refresh_every_examples: int = 200,
        refresh_every_s: float = 5.0,
        body_timeout_s: float = 30.0,
        connections: ConnectionLimits = ConnectionLimits(),  # noqa: B008
        requests_timeout_s: float = 10.0,
        prediction_threads: int = 2,
        version: str = __version__,
        model_name: str = "streamlearner",
        grpc_port: int | None = None,
        id_prefix: str | None = None,
        later: LabelsLater | None = None,
        history: History | None = None,
        history_every_s: float = 5.0,
        gateway: bool = False,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self._served = ServedModel(
            every_examples=refresh_every_examples, every_s=refresh_every_s, metrics=metrics, now_s=now_s
        )
        guard = access.guard()
        self.predictions = None if later is None else later.predictions
        self._joining = None if later is None else Joining(later, metrics=metrics)
        self._topic = labels_topic(later, self._joining)
        self._recorder = None
        if history is not None:
            self._recorder = Recorder(
                history=history, daemon=daemon, metrics=metrics, every_s=history_every_s
            )
        answers = Answers(
            served=self._served, metrics=metrics, id_prefix=id_prefix or secrets.token_hex(6),
            predictions=self.predictions, now_s=now_s,
        )  # fmt: skip
        asking = None
        if self.predictions is not None and self._joining is not None:
            asking = Asking(
                answers=answers, predictions=self.predictions, joining=self._joining, daemon=daemon
            )
        health = Health(daemon=daemon, served=self._served, metrics=metrics)
        model = ServedByProtocol(name=model_name, answers=answers, codec=codec, max_batch=max_batch)
        self._rpc = None
        if grpc_port is not None:
            self._rpc = make_rpc(
                model=model, health=health, guard=guard, metrics=metrics, version=version, host=host,
                port=grpc_port, threads=prediction_threads, max_bytes=max_body_bytes,
                limits=connections, tls=tls,
            )  # fmt: skip
        self._pools = Pools.start(prediction_threads=prediction_threads)
        self.application = assemble(
            answers=answers, health=health, model=model, joining=self._joining, asking=asking,
            daemon=daemon, metrics=metrics, codec=codec,
            remembered=Remembered(history=history, daemon=daemon, workers=self._pools.history),
            bodies=Bodies(max_bytes=max_body_bytes, timeout_s=body_timeout_s), access=access, bound=host,
            guard=guard, pools=self._pools, max_batch=max_batch, requests_timeout_s=requests_timeout_s,
            version=version,
        )  # fmt: skip
        self._lending = None
        if gateway and tls is None and sockets.POSSIBLE:
            self._lending = Lending(
                answer=LentAnswers(answers=answers, guard=guard, codec=codec, metrics=metrics).reply,
                max_bytes=max_body_bytes, max_batch=max_batch, limits=lambda: codec.limits,
                headers=HEADERS, write_timeout_s=connections.write_timeout_s,
                unusual=MEANS_SOMETHING if access.requests_per_s else MEANS_SOMETHING - FORWARDED,
            )  # fmt: skip
        self._listener = Listener(
            self.application, host=host, port=port, limits=connections, tls=tls, lending=self._lending
        )

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
