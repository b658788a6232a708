"""What serving is told when it is made, and what its ports answer with."""

from __future__ import annotations

from dataclasses import dataclass, field

from starlette.applications import Starlette

from streamlearner.decoding.codec import Codec
from streamlearner.gateway import sockets
from streamlearner.gateway.requests import FORWARDED, MEANS_SOMETHING
from streamlearner.serving.answers import Answers
from streamlearner.serving.asking import Asking
from streamlearner.serving.bodies import Bodies
from streamlearner.serving.connection import ConnectionLimits
from streamlearner.serving.daemon_port import DaemonPort
from streamlearner.serving.guard import Guard
from streamlearner.serving.health import Health
from streamlearner.serving.history.recorder import Recorder
from streamlearner.serving.history.route import Remembered
from streamlearner.serving.labels import Joining
from streamlearner.serving.lending import Lending
from streamlearner.serving.lent_answers import LentAnswers
from streamlearner.serving.listener import HEADERS, Listener
from streamlearner.serving.open_inference.model import ServedByProtocol
from streamlearner.serving.open_inference.rpc_listener import RpcListener, make_rpc
from streamlearner.serving.served_model import ServedModel
from streamlearner.serving.tls import Tls
from streamlearner.serving.workers import Pools
from streamlearner.state.history import History
from streamlearner.state.predictions import Predictions
from streamlearner.telemetry.metrics import Metrics


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Where it listens: `host`:`port` (0 picks a free one), and `grpc_port` for gRPC (None: not). `gateway`:
    connections that ask one prediction after the other are served by a process beside this one, but with
    `tls`."""

    host: str
    port: int
    grpc_port: int | None = None
    tls: Tls | None = None
    gateway: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestLimits:
    """What a request may be, how long each may take, and how many there may be."""

    max_body_bytes: int = 32 * 2**20
    max_batch: int = 1024
    body_timeout_s: float = 30.0
    requests_timeout_s: float = 10.0
    prediction_threads: int = 2
    connections: ConnectionLimits = field(default_factory=ConnectionLimits)


@dataclass(slots=True, kw_only=True)
class Parts:
    """What the ports answer with. `predictions` and `joining` are None where none are kept for their labels,
    `history` where none is kept."""

    answers: Answers
    served: ServedModel
    daemon: DaemonPort
    metrics: Metrics
    codec: Codec
    guard: Guard
    pools: Pools
    limits: RequestLimits
    predictions: Predictions | None
    joining: Joining | None
    history: History | None
    version: str
    model_name: str
    health: Health = field(init=False)
    model: ServedByProtocol = field(init=False)
    bodies: Bodies = field(init=False)
    remembered: Remembered = field(init=False)
    asking: Asking | None = field(init=False)

    def __post_init__(self) -> None:
        limits, daemon = self.limits, self.daemon
        self.health = Health(daemon=daemon, served=self.served, metrics=self.metrics)
        self.model = ServedByProtocol(
            name=self.model_name, answers=self.answers, codec=self.codec, max_batch=limits.max_batch
        )
        self.bodies = Bodies(max_bytes=limits.max_body_bytes, timeout_s=limits.body_timeout_s)
        self.remembered = Remembered(history=self.history, daemon=daemon, workers=self.pools.history)
        self.asking = None
        if self.predictions is not None and self.joining is not None:
            self.asking = Asking(
                answers=self.answers, predictions=self.predictions, joining=self.joining, daemon=daemon
            )


def rpc_of(parts: Parts, ports: Ports) -> RpcListener | None:
    """Not started; None where gRPC is off. Raises `ConfigError`."""
    if ports.grpc_port is None:
        return None
    limits = parts.limits
    return make_rpc(
        model=parts.model, health=parts.health, guard=parts.guard, metrics=parts.metrics,
        version=parts.version, host=ports.host, port=ports.grpc_port, threads=limits.prediction_threads,
        max_bytes=limits.max_body_bytes, limits=limits.connections, tls=ports.tls,
    )  # fmt: skip


def lending_of(parts: Parts, ports: Ports, *, tells_clients_apart: bool) -> Lending | None:
    """What lends connections to the gateway; None where there is to be, or can be, none."""
    if not ports.gateway or ports.tls is not None or not sockets.POSSIBLE:
        return None
    codec, limits = parts.codec, parts.limits
    answering = LentAnswers(answers=parts.answers, guard=parts.guard, codec=codec, metrics=parts.metrics)
    return Lending(
        answer=answering.reply,
        max_bytes=limits.max_body_bytes,
        max_batch=limits.max_batch,
        limits=lambda: codec.limits,
        headers=HEADERS,
        write_timeout_s=limits.connections.write_timeout_s,
        unusual=MEANS_SOMETHING if tells_clients_apart else MEANS_SOMETHING - FORWARDED,
    )


def listener_of(application: Starlette, parts: Parts, ports: Ports, *, lending: Lending | None) -> Listener:
    """Not started."""
    limits = parts.limits.connections
    return Listener(
        application, host=ports.host, port=ports.port, limits=limits, tls=ports.tls, lending=lending
    )


def recorder_of(
    history: History | None, *, daemon: DaemonPort, metrics: Metrics, every_s: float
) -> Recorder | None:
    """Not started; None where no history is kept."""
    if history is None:
        return None
    return Recorder(history=history, daemon=daemon, metrics=metrics, every_s=every_s)
