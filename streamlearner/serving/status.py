"""GET /v1/status, /v1/retention, /v1/memory: the status documents, as the daemon published them."""

from __future__ import annotations

from streamlearner.serving.daemon_port import DaemonPort
from streamlearner.serving.problems import Json, finite


class Status:
    """Answers on the event loop: a document is swapped by reference and costs nothing to read."""

    def __init__(self, *, daemon: DaemonPort) -> None:
        self._daemon = daemon

    async def status(self) -> Json:
        """Counts, position, lag, prequential accuracy, model version."""
        return Json(finite(self._daemon.status()))

    async def retention(self) -> Json:
        """Accuracy on the exam: overall, by class and by period; forgetting, backward transfer."""
        return Json(finite(self._daemon.retention()))

    async def memory(self) -> Json:
        """Bits held and allowed, by store and module."""
        return Json(finite(self._daemon.memory()))
