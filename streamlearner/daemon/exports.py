"""Exports each version that answers, beside the learning loop: a process of its own does the work."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Generator
from contextlib import closing, suppress
from typing import Any, Protocol

from streamlearner.errors import StreamlearnerError
from streamlearner.state.published import Published
from streamlearner.telemetry.metrics import Metrics

log = logging.getLogger(__name__)

Report = dict[str, Any]
"""What the process says, one after the other: {"exported": name, "seconds": s} or {"failed": why}, and where
there is a publisher {"published": name} or {"unpublished": why}."""


RETRY_S, MOST_RETRY_S = 60.0, 3_600.0
"""Until a version that could not be published is tried again, at first and at last."""


class Exporting(Protocol):
    """Starts the process that exports what the newest checkpoint answers as `version`, and gives its reports
    as they come. Closing the generator ends the process."""

    def export(self, version: int) -> Generator[Report]: ...

    def publish(self, version: int) -> Generator[Report]:
        """The same for one that was exported, and is only to be published."""

    def end(self) -> None:
        """Ends the process that runs now, if any; from another thread."""


class Exports:
    """Called on the learning thread, which never waits for it: `follow` says which version answers since the
    last checkpoint. A thread exports that one, unless it is there, and then points replicas to it. A version
    that is replaced before its turn is not exported; one that cannot be is told of once.

    Where there is a `publisher` (its name), it is told of each version that was exported: again where that
    failed, after a minute at first and then ever later, and at each start.
    """

    def __init__(
        self,
        *,
        published: Published,
        exporting: Exporting,
        metrics: Metrics,
        publisher: str | None = None,
        retry_s: float = RETRY_S,
    ) -> None:
        self._published, self._exporting, self._metrics = published, exporting, metrics
        self._publisher, self._retry_s = publisher, retry_s
        self._pause_s, self._due_s = retry_s, 0.0
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
        while self._waited():
            version, self._dealt_with = self._wanted, self._wanted
            self._attempt(version, self._do)
            for each in self._unpublished():
                self._attempt(each, self._publish)

    def _waited(self) -> bool:
        """Until there is a version that was not yet dealt with, or it is time to publish again; False at the
        end."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._stopping or self._wanted != self._dealt_with, timeout=self._pause()
            )
            return not self._stopping

    def _pause(self) -> float | None:
        """None where nothing is left to publish."""
        return max(0.0, self._due_s - time.monotonic()) if self._unpublished() else None

    def _unpublished(self) -> list[int]:
        with suppress(StreamlearnerError):  # a disk that refuses is told of where something is written
            return self._published.unknown_to(self._publisher) if self._publisher is not None else []
        return []

    def _attempt(self, version: int, do: Callable[[int], None]) -> None:
        try:
            do(version)
        except StreamlearnerError as error:
            self._failed(version, str(error))
        except Exception as error:  # whatever it is, the daemon goes on
            self._failed(version, f"{type(error).__name__}: {error}")

    def _do(self, version: int) -> None:
        if version in self._published.numbers():
            return self._point_to(version)
        self._postpone()
        self._read(version, self._exporting.export(version))

    def _publish(self, version: int) -> None:
        if not self._stopping and time.monotonic() >= self._due_s:  # one that failed is the last for now
            self._postpone()
            self._read(version, self._exporting.publish(version))

    def _postpone(self) -> None:
        """The next time to publish, unless it succeeds: a process may end without a word."""
        self._due_s = time.monotonic() + self._pause_s
        self._pause_s = min(2 * self._pause_s, MOST_RETRY_S)

    def _read(self, version: int, process: Generator[Report]) -> None:
        with closing(process) as reports:
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
            self._pause_s, self._due_s = self._retry_s, 0.0
            self._published.note_publisher(version, self._publisher or report["published"])
            log.info("model version %d was published: %s", version, report["published"])
        elif "unpublished" in report:
            self._metrics.count_publication("failed")
            log.error(
                "model version %d was not published: %s; it is tried again in %d s",
                version, report["unpublished"], max(0.0, self._due_s - time.monotonic()),
            )  # fmt: skip

    def _failed(self, version: int, why: str) -> None:
        self._metrics.count_export("failed")
        log.error("model version %d was not exported: %s", version, why)

    def _point_to(self, version: int) -> None:
        """Unless another one answers by now."""
        if version == self._wanted:
            self._published.point_to(version)
            self._metrics.publish_exported(version)
