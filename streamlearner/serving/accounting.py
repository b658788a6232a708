"""Counts every request by path and status."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from streamlearner.telemetry.metrics import Metrics


class Accounting:
    """ASGI middleware. It counts by the path of the route (`/v1/predict`), not by what the client wrote:
    clients must not create Prometheus series."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                path = getattr(scope.get("route"), "path", "other")
                self._metrics.count_requests(path=path, code=message["status"])
            await send(message)

        await self._app(scope, receive, counted)
