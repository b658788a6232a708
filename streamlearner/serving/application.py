"""Which path is answered by which class, and how OpenAPI describes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI
from starlette.responses import Response

from streamlearner.decoding.codec import Codec
from streamlearner.serving.accounting import Accounting
from streamlearner.serving.admin import Admin
from streamlearner.serving.bodies import (
    Bodies,
    Body,
    ExamplesBody,
    NoBody,
    PredictBody,
    RollbackBody,
    TransplantBody,
)
from streamlearner.serving.daemon_port import DaemonPort
from streamlearner.serving.examples import Examples
from streamlearner.serving.guard import Guard
from streamlearner.serving.health import Health
from streamlearner.serving.page import Page
from streamlearner.serving.predictions import IMAGES, RAW, Predictions
from streamlearner.serving.problems import HANDLERS
from streamlearner.serving.recollections import Recollections
from streamlearner.serving.served_model import ServedModel
from streamlearner.serving.status import Status
from streamlearner.serving.workers import Pools
from streamlearner.telemetry.metrics import Metrics

ERROR = {
    "description": 'every error: {"error": "what was found, and what was expected"}',
    "content": {
        "application/json": {
            "schema": {"type": "object", "properties": {"error": {"type": "string"}}, "required": ["error"]}
        }
    },
}


def assemble(
    *,
    served: ServedModel,
    daemon: DaemonPort,
    metrics: Metrics,
    codec: Codec,
    bodies: Bodies,
    guard: Guard,
    pools: Pools,
    max_batch: int,
    requests_timeout_s: float,
    id_prefix: str,
    version: str,
) -> FastAPI:
    """The application."""
    predictions = Predictions(
        served=served, codec=codec, bodies=bodies, workers=pools.predictions, metrics=metrics,
        max_batch=max_batch, id_prefix=id_prefix,
    )  # fmt: skip
    examples = Examples(
        daemon=daemon, codec=codec, bodies=bodies, workers=pools.examples, metrics=metrics,
        guard=guard, max_batch=max_batch,
    )  # fmt: skip
    app = _bare(metrics=metrics, version=version)
    images = {kind: {"schema": {"type": "string", "format": "binary"}} for kind in (*IMAGES, RAW)}
    _post(app, "/v1/predict", predictions.predict, PredictBody, status=200, more=images)
    _post(app, "/v1/examples", examples.push, ExamplesBody)
    workers, timeout_s = pools.transplants, requests_timeout_s
    _add_admin(app, Admin(daemon=daemon, bodies=bodies, guard=guard, workers=workers, timeout_s=timeout_s))
    _add_status(app, Status(daemon=daemon))
    workers = pools.recollections
    _get(app, "/v1/recollections", Recollections(daemon=daemon, workers=workers, timeout_s=timeout_s).show)
    _add_health(app, Health(daemon=daemon, served=served, metrics=metrics))
    _get(app, "/", Page().show)
    return app


def _bare(*, metrics: Metrics, version: str) -> FastAPI:
    """Without the interactive pages of FastAPI, which load their scripts from other hosts."""
    app = FastAPI(
        title="streamlearner",
        version=version,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        exception_handlers=HANDLERS,
    )
    app.add_middleware(Accounting, metrics=metrics)
    return app


def _add_admin(app: FastAPI, admin: Admin) -> None:
    _post(app, "/v1/sleep", admin.sleep, NoBody)
    _post(app, "/v1/checkpoint", admin.checkpoint, NoBody)
    _post(app, "/v1/rollback", admin.rollback, RollbackBody)
    _post(app, "/v1/transplant", admin.transplant, TransplantBody)


def _add_status(app: FastAPI, status: Status) -> None:
    _get(app, "/v1/status", status.status)
    _get(app, "/v1/retention", status.retention)
    _get(app, "/v1/memory", status.memory)


def _add_health(app: FastAPI, health: Health) -> None:
    _get(app, "/livez", health.live)
    _get(app, "/readyz", health.ready)
    _get(app, "/metrics", health.metrics)


def _get(app: FastAPI, path: str, endpoint: Callable[..., Any]) -> None:
    responses: dict[int | str, dict[str, Any]] = {"default": ERROR}
    app.add_api_route(path, endpoint, methods=["GET"], response_class=Response, responses=responses)
    app.add_api_route(path, endpoint, methods=["HEAD"], include_in_schema=False)


def _post(
    app: FastAPI,
    path: str,
    endpoint: Callable[..., Any],
    body: type[Body],
    *,
    status: int = 202,
    more: dict[str, Any] | None = None,
) -> None:
    content = {"application/json": {"schema": body.model_json_schema(by_alias=True)}} | (more or {})
    app.add_api_route(
        path,
        endpoint,
        methods=["POST"],
        status_code=status,
        responses={"default": ERROR},
        openapi_extra={"requestBody": {"content": content}},
    )
