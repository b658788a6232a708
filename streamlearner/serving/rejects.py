"""GET /v1/rejects: the last messages that could not become examples."""

from __future__ import annotations

from streamlearner.serving.daemon_port import DaemonPort
from streamlearner.serving.problems import Json


class Rejects:
    """Answers on the event loop."""

    def __init__(self, *, daemon: DaemonPort) -> None:
        self._daemon = daemon

    async def show(self) -> Json:
        """The last rejects of each reason since the start, the newest first, with how each message begins.
        All of them are in the dead letters."""
        return Json({"rejects": dict(self._daemon.last_rejects())})
