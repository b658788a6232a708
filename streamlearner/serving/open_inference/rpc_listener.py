"""The port for gRPC and the threads that answer on it."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from streamlearner.errors import ConfigError
from streamlearner.serving.connection import ConnectionLimits
from streamlearner.serving.guard import Guard
from streamlearner.serving.health import Health
from streamlearner.serving.open_inference.model import ServedByProtocol
from streamlearner.serving.open_inference.rpc import OpenInferenceRpc
from streamlearner.serving.open_inference.rpc_crowds import Crowds
from streamlearner.serving.open_inference.rpc_messages import SERVICE, Messages
from streamlearner.serving.tls import RenewedPem, Tls
from streamlearner.telemetry.metrics import Metrics

log = logging.getLogger(__name__)

WAITING = 256
"""Calls that may wait for a thread; one more ends with RESOURCE_EXHAUSTED."""
AT_ONCE = WAITING // 4
"""Calls of one connection at a time; its client keeps more to itself until one has ended."""
IDLE_S = 60.0
"""A connection without a call for so long is closed: its client makes another with its next call."""
SHARE = 4
"""One in so many of the descriptors that are left are for gRPC, as HTTP has half of them."""
STOP_S = 3.0
LACKING = "serving.grpc_port needs grpcio: pip install 'streamlearner[grpc]', or leave it null"


class RpcListener:
    """Answers on `host`:`port` (0 picks a free one) from `start` to `stop`."""

    def __init__(
        self,
        service: OpenInferenceRpc,
        *,
        messages: Messages,
        host: str,
        port: int,
        threads: int,
        max_bytes: int,
        limits: ConnectionLimits,
        tls: Tls | None,
    ) -> None:
        self._limits = limits
        self._tls = tls
        self.address = (host, port)
        self._service = service
        self._messages = messages
        self._threads = threads
        self._max_bytes = max_bytes
        self._server: Any = None
        self._pool: ThreadPoolExecutor | None = None
        self._crowds: Crowds | None = None

    def start(self) -> None:
        """Binds the port, then answers. Raises `ConfigError` where the address cannot be had."""
        import grpc

        self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="serving-grpc")
        server = grpc.server(
            self._pool, options=list(self._options.items()), maximum_concurrent_rpcs=self._threads + WAITING
        )
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, self._handlers()),))
        host, port = self.address
        try:
            address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
            bound = self._bind(server, address)
        except RuntimeError as error:
            text = f"cannot listen for gRPC on {host}:{port}: {error}"
            raise ConfigError(f"{text}; set serving.grpc_port to a free port of this machine") from None
        server.start()
        self.address, self._server = (host, bound), server
        self._crowds = Crowds(port=bound, per_client=self._limits.for_one(share=SHARE))
        self._crowds.start()
        log.info("serving gRPC on %s:%d", *self.address)

    @property
    def _options(self) -> dict[str, int]:
        return {
            "grpc.so_reuseport": 0,  # else a second daemon would share the port, and answer every other call
            "grpc.max_receive_message_length": self._max_bytes,
            "grpc.max_send_message_length": -1,
            "grpc.max_allowed_incoming_connections": self._limits.affordable(share=SHARE),
            "grpc.server_handshake_timeout_ms": round(self._limits.header_timeout_s * 1000),
            "grpc.max_connection_idle_ms": round(IDLE_S * 1000),
            "grpc.max_concurrent_streams": AT_ONCE,
        }

    def _bind(self, server: Any, address: str) -> int:
        import grpc

        if self._tls is None:
            return int(server.add_insecure_port(address))
        credentials = grpc.dynamic_ssl_server_credentials(
            grpc.ssl_server_certificate_configuration(*self._tls.pem()),
            RenewedPem(self._tls, configuration=grpc.ssl_server_certificate_configuration),
            require_client_authentication=self._tls.client_ca is not None,
        )
        return int(server.add_secure_port(address, credentials))

    def stop(self) -> None:
        """Finishes calls under way, for up to 3 s; frees the port. Safe to call twice, or unstarted."""
        if self._crowds is not None:
            self._crowds.stop()
        if self._server is not None:
            self._server.stop(STOP_S).wait()
            self._server = None
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def _handlers(self) -> dict[str, Any]:
        import grpc

        return {
            name: grpc.unary_unary_rpc_method_handler(
                partial(self._service.call, name),
                request_deserializer=request.FromString,
                response_serializer=response.SerializeToString,
            )
            for name, (request, response) in self._messages.methods().items()
        }


def make_rpc(
    *,
    model: ServedByProtocol,
    health: Health,
    guard: Guard,
    metrics: Metrics,
    version: str,
    host: str,
    port: int,
    threads: int,
    max_bytes: int,
    limits: ConnectionLimits,
    tls: Tls | None,
) -> RpcListener:
    """Not started. Raises `ConfigError` where the extra `grpc` is not installed, or TLS cannot be had so."""
    try:
        import grpc  # noqa: F401

        messages = Messages()
    except ImportError:
        raise ConfigError(LACKING) from None
    service = OpenInferenceRpc(
        model=model, health=health, guard=guard, metrics=metrics, messages=messages, version=version
    )
    if tls is not None:
        tls.pem()
    return RpcListener(
        service, messages=messages, host=host, port=port, threads=threads, max_bytes=max_bytes, limits=limits,
        tls=tls,
    )  # fmt: skip
