"""Exports each version that answers, beside the learning loop: a process of its own does the work."""

from __future__ import annotations

import logging
import threading
from collections.abc import Generator
from contextlib import closing
from typing import Any, Protocol

from streamlearner.errors import StreamlearnerError
from streamlearner.state.published import Published
from streamlearner.telemetry.metrics import Metrics

log = logging.getLogger(__name__)

Report = dict[str, Any]
"""What the process says, one after the other: {"exported": name, "seconds": s} or {"failed": why}, and where
there is a publisher {"published": name} or {"unpublished": why}."""


class Exporting(Protocol):
    """Starts the process that exports what the newest checkpoint answers as `version`, and gives its reports
    as they come. Closing the generator ends the process."""

    def __call__(self, version: int) -> Generator[Report]: ...

    def end(self) -> None:
        """Ends the process that runs now, if any; from another thread."""


class Exports:
    """Called on the learning thread, which never waits for it: `follow` says which version answers since the
    last checkpoint. A thread exports that one, unless it is there, and then points replicas to it. A version
    that is replaced before its turn is not exported; one that cannot be is told of once."""

    def __init__(self, *, published: Published, exporting: Exporting, metrics: Metrics) -> None:
        self._published, self._exporting, self._metrics = published, exporting, metrics
        self._wanted = self._dealt_with = 0
        self._changed = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._work, name="exports", daemon=True)

    def follow(self, version: int) -> None:
        """`version` is durable in the newest checkpoint; 0: none was adopted yet."""
        if version == self._wanted:
            return
        with self._changed:
            self._wanted = version
            self._changed.notify()
        if not self._thread.is_alive():
            self._thread.start()

    def stop(self) -> None:
        """What is under way is given up; the next run does it."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._exporting.end()
        if self._thread.is_alive():
            self._thread.join(timeout=5.0)

    def _work(self) -> None:
        while (version := self._next()) is not None:
            try:
                self._do(version)
            except StreamlearnerError as error:
                self._failed(version, str(error))
            except Exception as error:  # whatever it is, the daemon goes on
                self._failed(version, f"{type(error).__name__}: {error}")

    def _next(self) -> int | None:
        """Waits for a version that was not yet dealt with; None at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopping or self._wanted != self._dealt_with)
            self._dealt_with = self._wanted
            return None if self._stopping else self._wanted

    def _do(self, version: int) -> None:
        if version in self._published.numbers():
            return self._point_to(version)
        with closing(self._exporting(version)) as reports:
            for report in reports:
                if self._stopping:
                    return
                self._take(version, report)

    def _take(self, version: int, report: Report) -> None:
        if "exported" in report:
            self._metrics.count_export("exported")
            log.info("model version %s was exported in %.1f s", report["exported"], report["seconds"])
            self._point_to(version)
        elif "failed" in report:
            self._failed(version, report["failed"])
        elif "published" in report:
            self._metrics.count_publication("published")
            log.info("model version %d was published: %s", version, report["published"])
        elif "unpublished" in report:
            self._metrics.count_publication("failed")
            log.error("model version %d was not published: %s", version, report["unpublished"])

    def _failed(self, version: int, why: str) -> None:
        self._metrics.count_export("failed")
        log.error("model version %d was not exported: %s", version, why)

    def _point_to(self, version: int) -> None:
        """Unless another one answers by now."""
        if version == self._wanted:
            self._published.point_to(version)
            self._metrics.publish_exported(version)
