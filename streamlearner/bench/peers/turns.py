"""Turns: a daemon learns a part of its stream, then waits while something else learns the same part."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

from streamlearner.stream import Message, Source


class Taken(NamedTuple):
    """Of one batch: examples that were learned (others were withheld for the exam), and in how many optimiser
    steps."""

    examples: int
    steps: int


class TurnSource(Source):
    """A source that hands out `left` more messages, and then none until `left` is set again. `taken` is what
    was learned of those of the last turn, batch by batch."""

    def __init__(self, inner: Source) -> None:
        self.inner = inner
        self.left = 0
        self.taken: list[Taken] = []

    def open(self, position: Any) -> None:
        self.inner.open(position)

    def poll(self, max_messages: int, timeout_s: float) -> list[Message]:
        taken = self.inner.poll(min(max_messages, self.left), timeout_s) if self.left else []
        self.left -= len(taken)
        return taken

    @property
    def position(self) -> Any:
        return self.inner.position

    def commit(self, position: Any) -> None:
        self.inner.commit(position)

    def pause(self) -> None:
        self.inner.pause()

    def resume(self) -> None:
        self.inner.resume()

    def lag(self) -> dict[int, int]:
        return self.inner.lag()

    @property
    def exhausted(self) -> bool:
        """Also amid the last turn: what is left of it is learned at once, as a smaller batch."""
        return not self.left and self.inner.exhausted

    def close(self) -> None:
        self.inner.close()


def run_turn(daemon: Any, source: TurnSource) -> None:
    """The daemon's loop until the source has nothing left for this turn."""
    source.taken = []
    while source.left or daemon.state.intake.holds_batch:
        source.taken.append(wake(daemon))
        daemon.consolidate()
        daemon.requests.run_pending(daemon)
        daemon.serving.refresh(daemon.predictor)
        daemon.publish()
        if daemon.persistence.due(daemon.state.tally.messages):
            daemon.checkpoint(aside=True)


def wake(daemon: Any) -> Taken:
    """One batch. After a fall of served accuracy the method takes one step more for each (`changing`)."""
    learner = daemon.learner
    before, changing = (learner.progress.learned, changes(learner)) if learner else (0, False)
    daemon.wake()
    learned = daemon.learner.progress.learned if daemon.learner else 0
    return Taken(learned - before, 1 + changing)


def changes(learner: Any) -> bool:
    """Whether what the learner is about to learn is learned faster."""
    fell: bool = learner.served.fell_lately(learner.progress.learned)
    return fell


def seconds_of(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def cpu_seconds_of(work: Callable[[], object]) -> float:
    """Of this process on the CPU, all of its threads: other users of the machine do not count."""
    started = time.process_time()
    work()
    return time.process_time() - started
