"""POST /v1/sleep, /v1/checkpoint, /v1/rollback, /v1/transplant, /v1/retrain: requests to the learning thread,
which does them between two batches."""

from __future__ import annotations

from starlette.requests import Request

from streamlearner.serving.bodies import (
    AnyBody,
    Bodies,
    NoBody,
    RetrainBody,
    RollbackBody,
    TransplantBody,
    parse,
    require_json,
)
from streamlearner.serving.daemon_port import DaemonPort
from streamlearner.serving.problems import Json, Problem, busy
from streamlearner.serving.workers import Left, Workers


class Admin:
    """Each answers 202: accepted, not yet done."""

    def __init__(self, *, daemon: DaemonPort, bodies: Bodies, workers: Workers, timeout_s: float) -> None:
        self._daemon = daemon
        self._bodies = bodies
        self._workers = workers
        self._timeout_s = timeout_s

    async def sleep(self, request: Request) -> Json:
        """Asks for a sleep."""
        await self._read(NoBody, request)
        self._daemon.request_sleep()
        return Json({"requested": "sleep"}, status_code=202)

    async def checkpoint(self, request: Request) -> Json:
        """Asks for a checkpoint."""
        await self._read(NoBody, request)
        self._daemon.request_checkpoint()
        return Json({"requested": "checkpoint"}, status_code=202)

    async def rollback(self, request: Request) -> Json:
        """Asks to go back to an adopted model version, by default the one before."""
        body = await self._read(RollbackBody, request)
        try:
            self._daemon.request_rollback(body.version)
        except LookupError as error:
            text = str(error.args[0]) if error.args else "no such model version"
            raise Problem(404, text, kind="unknown-version") from None
        return Json({"requested": "rollback", "version": body.version}, status_code=202)

    async def transplant(self, request: Request) -> Json:
        """Asks to teach a network of another architecture, and to answer with it if it passes the exam."""
        body = await self._read(TransplantBody, request)
        return await self._workers.run(lambda left: self._transplant(body, left), client=request)

    async def retrain(self, request: Request) -> Json:
        """Asks to teach a fresh network of the present kind from what is remembered, and to answer with it
        whatever the exam says; the model versions before it go. For after an erasure."""
        body = await self._read(RetrainBody, request)
        return await self._workers.run(lambda left: self._transplant(body, left), client=request)

    def _transplant(self, body: TransplantBody | RetrainBody, left: Left) -> Json:
        to = body.to if isinstance(body, TransplantBody) else None
        try:
            begun = self._daemon.request_transplant(to, body.steps, self._timeout_s, left)
        except TimeoutError:
            raise busy(self._timeout_s) from None
        requested = "retrain" if to is None else "transplant"
        return Json({"requested": requested, **begun}, status_code=202)

    async def _read(self, kind: type[AnyBody], request: Request) -> AnyBody:
        body = await self._bodies.read(request)
        if body:
            require_json(request)
        return parse(kind, body)
