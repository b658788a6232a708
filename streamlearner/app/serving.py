"""The configured serving, and the history that its page shows."""

from __future__ import annotations

from contextlib import ExitStack, closing

from streamlearner.app.access import make_access, make_tls
from streamlearner.app.machine import THIS_MACHINE
from streamlearner.config.loading import Config
from streamlearner.decoding.codec import Codec
from streamlearner.serving import (
    Access,
    ConnectionLimits,
    DaemonPort,
    LabelsLater,
    Ports,
    RequestLimits,
    Serving,
)  # fmt: skip
from streamlearner.state.history import History
from streamlearner.telemetry.metrics import Metrics

HISTORY = "history.sqlite"


def make_history(config: Config, *, opened: ExitStack) -> History | None:
    """Opened when it is first written to; None where none is to be kept."""
    if not config.history.budget_bits:
        return None
    history = History(
        config.state_dir / HISTORY, budget_bits=config.history.budget_bits, now_s=THIS_MACHINE.wall_clock
    )
    return opened.enter_context(closing(history))


def make_serving(
    config: Config,
    *,
    requests: DaemonPort,
    metrics: Metrics,
    codec: Codec,
    later: LabelsLater | None = None,
    history: History | None = None,
    access: Access | None = None,
    id_prefix: str | None = None,
) -> Serving:
    section = config.serving
    connections = ConnectionLimits(
        most=section.max_connections, per_client=section.max_connections_per_client
    )
    return Serving(
        ports=Ports(
            host=section.host,
            port=section.port,
            grpc_port=section.grpc_port,
            tls=make_tls(config),
            gateway=section.gateway,
        ),
        limits=RequestLimits(
            max_body_bytes=section.max_body_bytes, max_batch=section.max_batch, connections=connections
        ),
        daemon=requests,
        metrics=metrics,
        codec=codec,
        access=access or make_access(config),
        model_name=section.model_name,
        later=later,
        id_prefix=id_prefix,
        history=history,
        history_every_s=config.history.every_s,
        refresh_every_examples=section.refresh_every_examples,
    )
