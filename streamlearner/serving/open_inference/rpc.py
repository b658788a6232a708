"""The protocol over gRPC: what each method of the service answers, and which role it needs."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from streamlearner.errors import InvalidInput
from streamlearner.serving.guard import Guard
from streamlearner.serving.health import Health
from streamlearner.serving.open_inference import rpc_tensors
from streamlearner.serving.open_inference.model import ServedByProtocol
from streamlearner.serving.open_inference.rest import index, server_metadata
from streamlearner.serving.open_inference.rpc_messages import Messages
from streamlearner.serving.problems import CRASHED, Problem
from streamlearner.serving.tokens import Role
from streamlearner.telemetry.metrics import Metrics

log = logging.getLogger(__name__)

ROLES: dict[str, Role | None] = {
    "ServerLive": None,
    "ServerReady": None,
    "ModelReady": None,
    "ServerMetadata": Role.READ,
    "ModelMetadata": Role.READ,
    "ModelInfer": Role.PREDICT,
    "RepositoryIndex": Role.READ,
}
"""As the paths under /v2 have them."""
CODES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
}
"""The names of gRPC's codes for the statuses that a problem may have here."""


class OpenInferenceRpc:
    """Answers messages with messages, from any thread. `context` is gRPC's, of one call."""

    def __init__(
        self,
        *,
        model: ServedByProtocol,
        health: Health,
        guard: Guard,
        metrics: Metrics,
        messages: Messages,
        version: str,
    ) -> None:
        self._model = model
        self._health = health
        self._guard = guard
        self._metrics = metrics
        self._new = messages.new
        self._messages = messages
        self._version = version
        self._answers: dict[str, Callable[[Any, Any], Any]] = {
            "ServerLive": lambda *_: self._new("ServerLiveResponse", live=True),
            "ServerReady": lambda *_: self._new("ServerReadyResponse", ready=self._ready()),
            "ModelReady": self._model_ready,
            "ServerMetadata": lambda *_: self._new(
                "ServerMetadataResponse", **server_metadata(self._version)
            ),
            "ModelMetadata": self._model_metadata,
            "ModelInfer": self._infer,
            "RepositoryIndex": self._index,
        }

    def call(self, method: str, request: Any, context: Any) -> Any:
        """The response to a call of that method, or the end of the call by a status with a text."""
        status, text = 200, ""
        try:
            self._guard.admit_rate(ROLES[method], address_of(context.peer()))
            self._guard.admit_token(ROLES[method], _authorization(context))
            return self._answers[method](request, context)
        except Problem as problem:
            status, text = problem.status, str(problem)
        except InvalidInput as error:
            status, text = 400, str(error)
        except Exception as error:
            log.error("%s failed", method, exc_info=error)
            status, text = 500, CRASHED
        finally:
            self._metrics.count_rpc(method=method, code=_code(status))
        return _end(context, _code(status), text)

    def _ready(self) -> bool:
        return self._health.answers_not() is None

    def _model_ready(self, request: Any, context: Any) -> Any:
        """Not ready is no error, but an unknown model is."""
        if request.version or request.name != self._model.name:
            self._model.find(request.name, request.version)
        return self._new("ModelReadyResponse", ready=self._ready())

    def _model_metadata(self, request: Any, context: Any) -> Any:
        found = self._model.metadata(self._model.find(request.name, request.version))
        lists = {name: json.dumps(values) for name, values in found.pop("parameters").items()}
        response = self._new("ModelMetadataResponse", **found)
        for name, text in lists.items():
            response.parameters[name].string_param = text
        return response

    def _infer(self, request: Any, context: Any) -> Any:
        started = time.perf_counter()
        if not context.is_active():
            raise Problem(499, "the client left before its request was begun")
        self._model.find(request.model_name, request.model_version)
        asked = rpc_tensors.read(request)
        found = self._model.infer(request.model_name, asked, started_s=started)
        return rpc_tensors.answer(found, request, model=self._model.name, messages=self._messages)

    def _index(self, request: Any, context: Any) -> Any:
        models = index(self._model, self._health, only_ready=request.ready)
        return self._new("RepositoryIndexResponse", models=models)


def address_of(peer: str) -> str:
    """Of `ipv4:10.0.0.7:1234` or `ipv6:%5B2001:db8::1%5D:1234`, as gRPC names a client."""
    return unquote(peer.partition(":")[2].rpartition(":")[0]).strip("[]")


def _code(status: int) -> str:
    return "OK" if status == 200 else CODES.get(status, "UNKNOWN")


def _authorization(context: Any) -> str:
    """What a header of HTTP would be; "" for none."""
    found = [value for name, value in context.invocation_metadata() if name == "authorization"]
    return str(found[0]) if found else ""


def _end(context: Any, code: str, text: str) -> Any:
    import grpc

    context.abort(grpc.StatusCode[code], text)
