"""The protocol over HTTP: the paths under /v2."""

from __future__ import annotations

import time
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from streamlearner.serving.bodies import Bodies, media_type, parse, require_json
from streamlearner.serving.health import Health
from streamlearner.serving.open_inference import bodies as protocol
from streamlearner.serving.open_inference.model import EXTENSIONS, ServedByProtocol
from streamlearner.serving.problems import Json, Problem, ProblemDocument
from streamlearner.serving.workers import Workers


class OpenInference:
    """Reads on the event loop, predicts in a thread. `health` says who is ready."""

    def __init__(
        self,
        *,
        model: ServedByProtocol,
        health: Health,
        bodies: Bodies,
        workers: Workers,
        version: str,
    ) -> None:
        self._model = model
        self._health = health
        self._bodies = bodies
        self._workers = workers
        self._version = version

    async def server(self) -> Json:
        """Name, version and protocol extensions of the server."""
        return Json(server_metadata(self._version))

    async def live(self) -> Json:
        """200 as long as the process answers at all."""
        return Json({"live": True, "ready": not self._health.answers_not()})

    async def ready(self) -> Json:
        """200 once a model answers, or 503 with the reason."""
        return self._ready({"live": True})

    async def model_ready(self, model: str) -> Json:
        """200 once this model answers, or 503 with the reason."""
        return self._model_ready(model)

    async def version_ready(self, model: str, version: str) -> Json:
        """200 once this version answers, or 503 with the reason."""
        return self._model_ready(model, version)

    async def model(self, model: str) -> Json:
        """Name, versions, inputs, outputs and classes of the model."""
        return Json(self._model.metadata(self._model.find(model)))

    async def model_of_version(self, model: str, version: str) -> Json:
        """What the model takes and gives, if that version is served now."""
        return Json(self._model.metadata(self._model.find(model, version)))

    async def infer(self, request: Request, model: str) -> Response:
        """Predicts: one input tensor to label, probability and probabilities."""
        return await self._infer(request, model, None)

    async def infer_of_version(self, request: Request, model: str, version: str) -> Response:
        """Predicts, if that version is served now."""
        return await self._infer(request, model, version)

    async def index(self, request: Request) -> Json:
        """The models that there are, and whether they are ready."""
        require_json(request)
        only_ready = parse(protocol.IndexBody, await self._bodies.read(request)).ready
        return Json(index(self._model, self._health, only_ready=only_ready))

    def _ready(self, content: dict[str, Any]) -> Json:
        reason = self._health.answers_not()
        if reason is None:
            return Json(content | {"ready": True})
        more = content | {"ready": False}
        wait = {"Retry-After": "1"}
        return ProblemDocument(503, f"not ready: {reason}", kind="not-ready", headers=wait, **more)

    def _model_ready(self, name: str, version: str | None = None) -> Json:
        if name == self._model.name and version is None:
            return self._ready({"name": name})
        self._model.find(name, version)
        return self._ready({"name": name, "version": version})

    async def _infer(self, request: Request, name: str, version: str | None) -> Response:
        media = media_type(request)
        if media not in ("application/json", protocol.RAW):
            text = f"content-type is {media[:80]!r}; expected application/json, {protocol.RAW}, or none"
            raise Problem(415, text)
        body = await self._bodies.read(request)
        header, started = request.headers.get(protocol.HEADER), time.perf_counter()

        def work(_: object) -> Response:
            self._model.find(name, version)
            asked = protocol.read(body, header, version=version)
            found = self._model.infer(name, asked.request, started_s=started)
            return protocol.answer(found, asked, model=self._model.name)

        return await self._workers.run(work, client=request)


def server_metadata(version: str) -> dict[str, Any]:
    """What the server calls itself."""
    return {"name": "streamlearner", "version": version, "extensions": list(EXTENSIONS)}


def index(model: ServedByProtocol, health: Health, *, only_ready: bool) -> list[dict[str, str]]:
    """The one model, in the form of a repository's index."""
    reason = health.answers_not()
    if reason is None:
        version = str(model.find(model.name).version)
        return [{"name": model.name, "version": version, "state": "READY", "reason": ""}]
    unready = {"name": model.name, "version": "0", "state": "UNAVAILABLE", "reason": reason}
    return [] if only_ready else [unready]
