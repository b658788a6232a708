"""What serving's threads ask of the daemon: status documents, and requests to the learning thread."""

from __future__ import annotations

import logging
import queue
import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from torch import Tensor

from streamlearner.daemon.erasures import Erasures
from streamlearner.daemon.exam_sample import exam_sample
from streamlearner.decoding.erasures import Erasure
from streamlearner.decoding.labels import ClassName
from streamlearner.errors import CheckpointError
from streamlearner.learning.learner import Learner
from streamlearner.learning.progress import Transplant
from streamlearner.serving import ExamSample, Unavailable

log = logging.getLogger(__name__)

T = TypeVar("T")
PUBLISH_EVERY_S = 0.25
"""How old status documents may be while learning goes on; building them takes well under a millisecond."""
LOOK_EVERY_S = 0.1
"""For whether who asked is still there."""
HANGS_AFTER_S = 60.0
"""A learning loop that has not come round for so long hangs: a round takes milliseconds, a large exam
seconds."""


class LearningThread(Protocol):
    """All that a request may do, on the learning thread between two batches (`loop.Daemon` has it)."""

    def checkpoint(self) -> None: ...

    def rollback(self, version: int) -> None: ...

    def recollecting(self, per_class: int) -> Callable[[], list[tuple[ClassName, Tensor]]]: ...

    def begin_transplant(self, to: str | None, steps: int | None) -> Transplant: ...

    @property
    def erasures(self) -> Erasures: ...

    @property
    def learner(self) -> Learner | None: ...


@dataclass(frozen=True, slots=True)
class StatusDocuments:
    """The bodies of `/v1/status`, `/v1/retention` and `/v1/memory`, never changed once published."""

    status: dict[str, Any] = field(default_factory=lambda: {"ready": False})
    retention: dict[str, Any] = field(default_factory=dict)
    memory: dict[str, Any] = field(default_factory=dict)
    version: int = 0  # the adopted one


class Requests:
    """What serving may ask of the daemon, from any thread (`serving.DaemonPort`).

    Documents are swapped by reference; what needs the learning thread is queued for it. `ingest` appends to
    the push log, or is None where the source is another.
    """

    def __init__(
        self,
        *,
        ingest: Callable[[Any], Any] | None,
        log_erasure: Callable[[Erasure], tuple[str, int]] | None = None,
        request_sleep: Callable[[], None],
        kept_versions: Callable[[], list[int]],
        last_rejects: Callable[[], dict[str, Any]] = dict,
        clock: Callable[[], float],
    ) -> None:
        self._ingest = ingest
        self._log_erasure = log_erasure
        self._request_sleep = request_sleep
        self._kept_versions, self.last_rejects = kept_versions, last_rejects
        self._clock = clock
        self._queue: queue.SimpleQueue[tuple[Callable[[LearningThread], Any], Future[Any]]] = (
            queue.SimpleQueue()
        )
        self._documents = StatusDocuments()
        self._published_s = float("-inf")
        self._alive_s = float("-inf")
        self._closed = False

    # the learning thread

    def run_pending(self, thread: LearningThread) -> None:
        """Runs the requests that came since the last batch; who asked gets the result, or the exception."""
        while not self._queue.empty():
            request, answer = self._queue.get_nowait()
            if not answer.set_running_or_notify_cancel():
                continue
            try:
                answer.set_result(request(thread))
            except Exception as error:
                log.warning("a request to the learning thread failed: %s", error)
                answer.set_exception(error)

    def heartbeat(self, *, learning: bool) -> None:
        """Call once in each round of the loop; `learning` is False where it waits for a checkpoint."""
        self._alive_s = self._clock() if learning else float("-inf")

    @property
    def documents_due(self) -> bool:
        """Whether the published documents are PUBLISH_EVERY_S old."""
        return self._clock() - self._published_s >= PUBLISH_EVERY_S

    def publish(self, documents: StatusDocuments) -> None:
        self._documents, self._published_s = documents, self._clock()

    def close(self) -> None:
        """Cancels pending requests, and those still to come."""
        self._closed, self._alive_s = True, float("-inf")
        while not self._queue.empty():
            self._queue.get_nowait()[1].cancel()

    # any thread

    @property
    def connected(self) -> bool:
        return bool(self._documents.status.get("connected"))

    @property
    def learning(self) -> bool:
        """Whether the learning loop goes round: not before it starts or while it stops, hangs, or waits for a
        checkpoint that cannot be written."""
        return self._clock() - self._alive_s < HANGS_AFTER_S

    def status(self) -> dict[str, Any]:
        return self._documents.status

    def retention(self) -> dict[str, Any]:
        return self._documents.retention

    def memory(self) -> dict[str, Any]:
        return self._documents.memory

    def recollections(
        self, per_class: int, timeout_s: float, left: Callable[[], bool] = lambda: False
    ) -> list[tuple[ClassName, Tensor]]:
        """Recollections of each class, whose codes the learning thread reads and this thread decodes. Raises
        TimeoutError where the learning thread is busy for longer or whoever asked has left, Unavailable while
        the daemon stops."""
        return self._ask_and_wait(lambda thread: thread.recollecting(per_class), timeout_s, left)()

    def exam(
        self, label: str | None, most: int, timeout_s: float, left: Callable[[], bool] = lambda: False
    ) -> ExamSample | None:
        """Raises as `recollections` does."""
        return self._ask_and_wait(
            lambda thread: exam_sample(thread.learner, label=label, most=most), timeout_s, left
        )

    def ingest(self, examples: Any) -> Any:
        """Durable in the local log when it returns; None where the source is not push."""
        return self._ingest(examples) if self._ingest else None

    def erase(
        self, erasure: Erasure, timeout_s: float, left: Callable[[], bool] = lambda: False
    ) -> dict[str, Any]:
        """Through the log, in the order of the stream, or where there is none at once. What was removed, once
        no checkpoint holds it; null where that is still to come."""
        until_s, waiting = time.monotonic() + timeout_s, 0
        if self._log_erasure:
            where, waiting = self._log_erasure(erasure)
        else:
            where = self._ask_and_wait(lambda thread: thread.erasures.request(erasure), timeout_s, left)
        found = None
        while (rest_s := until_s - time.monotonic()) > 0 and not left():
            with suppress(TimeoutError):
                found = self._ask_and_wait(lambda thread: thread.erasures.result(where), rest_s, left)
            if found and found["checkpoints_renewed"]:
                break
            time.sleep(min(LOOK_EVERY_S, max(rest_s, 0.0)))
        if self._log_erasure is None and not (found and found["durable"]):
            raise TimeoutError
        said = {"by": erasure.by, "name": erasure.name, "known": None, "removed": None, "waiting": waiting}
        said |= {"durable": True, "checkpoints_renewed": False} | (found or {})
        return said | {"known": True if waiting else said["known"]}

    def request_sleep(self) -> None:
        self._request_sleep()

    def request_checkpoint(self) -> None:
        self._ask(lambda thread: thread.checkpoint())

    def request_rollback(self, version: int | str | None) -> None:
        """To `version`, or the one before the present. Raises LookupError where it is not kept, Unavailable
        where the disk does not say what is."""
        kept = self.kept_versions()
        earlier = [number for number in kept if number < self._documents.version]
        text = str(version).split(".")[0] if version is not None else str(earlier[-1] if earlier else "")
        if not text.isdigit() or int(text) not in kept:
            wanted = "before this one" if version is None else version
            raise LookupError(f"model version {wanted} is not kept; kept are {kept or 'none yet'}")
        self._ask(lambda thread: thread.rollback(int(text)))

    def kept_versions(self) -> list[int]:
        """Raises Unavailable where the disk does not say."""
        try:
            return self._kept_versions()
        except CheckpointError as error:
            raise Unavailable(str(error)) from error

    def request_transplant(
        self, to: str | None, steps: int | None, timeout_s: float, left: Callable[[], bool] = lambda: False
    ) -> dict[str, Any]:
        """Begins to teach the network `to` (None: a fresh one): its number, name and steps. Raises Conflict,
        InvalidInput, TimeoutError where the learning thread is busy for longer, Unavailable while the daemon
        stops."""
        begun = self._ask_and_wait(lambda thread: thread.begin_transplant(to, steps), timeout_s, left)
        return {"number": begun.number, "to": begun.to, "steps": begun.steps}

    def _ask_and_wait(
        self, request: Callable[[LearningThread], T], timeout_s: float, left: Callable[[], bool]
    ) -> T:
        answer, until_s = self._ask(request), time.monotonic() + timeout_s
        try:
            while (rest_s := until_s - time.monotonic()) > 0 and not left():
                with suppress(TimeoutError):
                    return answer.result(min(rest_s, LOOK_EVERY_S))
            if answer.cancel():  # nobody waits any more
                raise TimeoutError
            return answer.result()  # it was begun just now
        except CancelledError:
            raise Unavailable("the daemon is shutting down; ask again once it runs") from None

    def _ask(self, request: Callable[[LearningThread], T]) -> Future[T]:
        answer: Future[T] = Future()
        self._queue.put((request, answer))
        if self._closed:  # perhaps after `close` had emptied the queue
            answer.cancel()
        return answer
