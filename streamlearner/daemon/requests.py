"""Between serving's threads and the learning thread: published figures going out, errands coming in."""

from __future__ import annotations

import logging
import queue
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future
from typing import TYPE_CHECKING, Any, TypeVar

from torch import Tensor

from streamlearner.daemon import transplants as transplanting
from streamlearner.daemon.reports import memory_report, publish_metrics, retention_report, status_report
from streamlearner.decoding.labels import ClassName
from streamlearner.serving import Unavailable

if TYPE_CHECKING:
    from streamlearner.daemon.loop import Daemon

log = logging.getLogger(__name__)

T = TypeVar("T")
PUBLISH_EVERY_S = 0.25
"""How old published figures may be while learning goes on; building them takes well under a millisecond."""
HANGS_AFTER_S = 60.0
"""A learning loop not heard of for so long hangs: a round takes milliseconds, a large exam seconds."""


class Reception:
    """What serving may ask of the daemon, from any thread (`serving.Port`).

    Figures are immutable snapshots swapped by reference. What needs the learning thread becomes an errand,
    run between two batches. `ingest` is the push log's append, or None where another source feeds the
    daemon.
    """

    def __init__(
        self,
        *,
        ingest: Callable[[Sequence[Any]], Any] | None,
        request_sleep: Callable[[], None],
        kept_versions: Callable[[], list[int]],
        budget_bits: int,
        clock: Callable[[], float],
    ) -> None:
        self._ingest = ingest
        self._request_sleep = request_sleep
        self._kept_versions = kept_versions
        self._budget_bits = budget_bits
        self._clock = clock
        self._started_at = clock()
        self._published_at = float("-inf")
        self._errands: queue.SimpleQueue[tuple[Callable[[Daemon], Any], Future[Any]]] = queue.SimpleQueue()
        self._status: dict[str, Any] = {"ready": False}
        self._retention: dict[str, Any] = {}
        self._memory: dict[str, Any] = {}
        self._version = 0
        self._heard_s = float("-inf")
        self._closed = False
        self.connected = False

    # the learning thread

    def publish(self, daemon: Daemon) -> None:
        """New snapshots, at most every PUBLISH_EVERY_S."""
        now = self._clock()
        self._heard_s = now if not daemon.archive.waiting else float("-inf")
        if now - self._published_at < PUBLISH_EVERY_S:
            return
        self._published_at = now
        self.connected = daemon.source.connected
        self._version = daemon.learner.progress.version if daemon.learner else 0
        self._status = status_report(daemon, uptime_s=now - self._started_at)
        self._retention = retention_report(daemon.learner)
        self._memory = memory_report(daemon.learner, budget_bits=self._budget_bits)
        publish_metrics(daemon, memory=self._memory)

    def run_errands(self, daemon: Daemon) -> None:
        """Does what was asked for since the last batch. An errand's failure belongs to who asked."""
        while not self._errands.empty():
            errand, answer = self._errands.get_nowait()
            if not answer.set_running_or_notify_cancel():
                continue
            try:
                answer.set_result(errand(daemon))
            except Exception as error:
                log.warning("a request to the learning thread failed: %s", error)
                answer.set_exception(error)

    def close(self) -> None:
        """No more errands; who still waits for one is told so."""
        self._closed, self._heard_s = True, float("-inf")
        while not self._errands.empty():
            self._errands.get_nowait()[1].cancel()

    # any thread

    @property
    def learning(self) -> bool:
        """Whether the learning loop goes round: not before it starts or while it stops, hangs, or waits for a
        checkpoint that cannot be written."""
        return self._clock() - self._heard_s < HANGS_AFTER_S

    def status(self) -> dict[str, Any]:
        return self._status

    def retention(self) -> dict[str, Any]:
        return self._retention

    def memory(self) -> dict[str, Any]:
        return self._memory

    def recollections(self, per_class: int, timeout_s: float) -> list[tuple[ClassName, Tensor]]:
        """Decoded recollections of each class. Raises TimeoutError where the learning thread is busy for
        longer, Unavailable while the daemon stops."""
        return self._wait_for(lambda daemon: _recollections(daemon, per_class), timeout_s)

    def ingest(self, examples: Sequence[Any]) -> Any:
        """Durable in the local log when it returns; None where the source is not push."""
        return self._ingest(examples) if self._ingest else None

    def request_sleep(self) -> None:
        self._request_sleep()

    def request_checkpoint(self) -> None:
        self._ask(lambda daemon: daemon.checkpoint())

    def request_rollback(self, version: int | str | None) -> None:
        """To `version`, or the one before the present. Raises LookupError where it is not kept."""
        kept = self._kept_versions()
        earlier = [number for number in kept if number < self._version]
        text = str(version).split(".")[0] if version is not None else str(earlier[-1] if earlier else "")
        if not text.isdigit() or int(text) not in kept:
            wanted = "before this one" if version is None else version
            raise LookupError(f"model version {wanted} is not kept; kept are {kept or 'none yet'}")
        self._ask(lambda daemon: daemon.rollback(int(text)))

    def request_transplant(self, to: str, steps: int | None, timeout_s: float) -> dict[str, Any]:
        """Begins to teach the network `to`: its number, name and steps. Raises Conflict, InvalidInput,
        TimeoutError where the learning thread is busy for longer, Unavailable while the daemon stops."""
        begun = self._wait_for(lambda daemon: transplanting.begin(daemon, to=to, steps=steps), timeout_s)
        return {"number": begun.number, "to": begun.to, "steps": begun.steps}

    def _wait_for(self, errand: Callable[[Daemon], T], timeout_s: float) -> T:
        answer = self._ask(errand)
        try:
            return answer.result(timeout_s)
        except TimeoutError:
            if answer.cancel():  # nobody waits any more
                raise
            return answer.result()  # it was taken up just now
        except CancelledError:
            raise Unavailable("the daemon is shutting down; ask again once it runs") from None

    def _ask(self, errand: Callable[[Daemon], T]) -> Future[T]:
        answer: Future[T] = Future()
        self._errands.put((errand, answer))
        if self._closed:  # perhaps after `close` had emptied the queue
            answer.cancel()
        return answer


def _recollections(daemon: Daemon, per_class: int) -> list[tuple[ClassName, Tensor]]:
    learner = daemon.learner
    if learner is None:
        return []
    return [(learner.labels.label(index), inputs) for index, inputs in learner.method.recollect(per_class)]
