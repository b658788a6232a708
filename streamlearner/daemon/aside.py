"""Large checkpoints are written by a thread beside the learning thread, which learns on meanwhile."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import NamedTuple

from streamlearner.daemon.after_erasure import AfterErasure
from streamlearner.daemon.snapshot import Snapshot
from streamlearner.errors import StreamlearnerError
from streamlearner.stream import Position

log = logging.getLogger(__name__)

ASIDE_BYTES = 4 * 2**20
"""From which on a checkpoint is written aside: a smaller one takes less than its copy and a thread would."""


class Written(NamedTuple):
    """After a checkpoint: the position of the oldest one that is kept, the bytes of all, and what is still to
    be done after an erasure."""

    oldest_position: Position | None
    size_bytes: int
    owed: AfterErasure


class Begun(NamedTuple):
    """What is being written, and since when."""

    snapshot: Snapshot
    started_s: float
    written: Future[Written]


class Aside:
    """One checkpoint at a time. The thread is there from the first one on."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
        self._begun: Begun | None = None

    def begin(self, snapshot: Snapshot, write: Callable[[Snapshot], Written], *, started_s: float) -> None:
        """`write` has a copy of its own. The one before was taken (`take`)."""
        held = snapshot.copied()
        self._begun = Begun(held, started_s, self._thread.submit(write, held))

    @property
    def busy(self) -> bool:
        return self._begun is not None and not self._begun.written.done()

    def take(self) -> Begun | None:
        """What was begun last, once."""
        begun, self._begun = self._begun, None
        return begun

    def close(self) -> None:
        self._thread.shutdown()


@contextmanager
def only_told() -> Iterator[None]:
    """What fails in here is done after the next checkpoint."""
    try:
        yield
    except StreamlearnerError as error:
        log.warning("the checkpoint is good, but what it replaces could not be deleted: %s", error)
