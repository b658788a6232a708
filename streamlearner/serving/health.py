"""GET /livez, /readyz, /metrics."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from streamlearner.serving.daemon_port import DaemonPort
from streamlearner.serving.problems import Json, Problem, ProblemDocument, nearest
from streamlearner.serving.served_model import ServedModel
from streamlearner.telemetry.metrics import CONTENT_TYPE, Metrics

CHECKS = ("model", "source", "learning")


class Health:
    """Live: the process answers. Ready: it also has a model, a source and a running learning loop."""

    def __init__(self, *, daemon: DaemonPort, served: ServedModel, metrics: Metrics) -> None:
        self._daemon = daemon
        self._served = served
        self._metrics = metrics

    async def live(self) -> Json:
        """200 as long as the process answers at all."""
        return Json({"live": True})

    async def ready(self, request: Request) -> Json:
        """200, or 503 with the reasons. `?exclude=source` leaves a check out: answers need no broker."""
        excluded = request.query_params.getlist("exclude")
        for name in excluded:
            if name not in CHECKS:
                expected = f"expected one of {', '.join(CHECKS)}{nearest(name, CHECKS)}"
                raise Problem(400, f'exclude is "{name[:40]}"; {expected}')
        reasons = {name: text for name, text in self._reasons().items() if name not in excluded}
        if not reasons:
            return Json({"ready": True, "reasons": {}})
        text = "not ready: " + "; ".join(reasons.values())
        return ProblemDocument(503, text, kind="not-ready", ready=False, reasons=reasons)

    async def metrics(self) -> Response:
        """Every series, in the Prometheus text format."""
        return Response(self._metrics.exposition(), media_type=CONTENT_TYPE)

    def answers_not(self) -> str | None:
        """Why no prediction can be answered; None where one can, whatever the source and learning do."""
        if self._served.current is None:
            return "no model answers yet, as nothing was learned"
        if self._served.diverged:
            return "the model gives no finite answer: it diverged; roll back to an earlier version"
        return None

    def _reasons(self) -> dict[str, str]:
        found = self.answers_not()
        reasons = {} if found is None else {"model": found}
        if not self._daemon.connected:
            reasons["source"] = "the source does not answer, or a schema registry that messages need"
        if not self._daemon.learning:
            reasons["learning"] = "learning hangs, or waits as no checkpoint can be written: see the log"
        return reasons
