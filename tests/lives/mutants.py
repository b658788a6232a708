"""Mistakes that could be made in the daemon, one at a time: how many lives does it take until one shows?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any
from unittest.mock import patch

from streamlearner.daemon.intake import RememberedIds
from streamlearner.daemon.loop import Daemon
from streamlearner.daemon.persistence import Persistence
from streamlearner.daemon.sleep_schedule import SleepSchedule
from streamlearner.daemon.snapshot import Snapshot
from streamlearner.errors import StreamlearnerError
from streamlearner.learning.learner import Learner
from streamlearner.learning.predictor import ModelVersion
from streamlearner.memory.bit_buffer import BitBuffer
from streamlearner.state import durable_files
from streamlearner.state.checkpoint import CheckpointStore
from tests.lives import disk
from tests.lives.simulation import CalmBroken, calm, live, plan_of

Change = Callable[..., Any]


def nothing(*_: Any, **__: Any) -> None:
    """In the place of what must not be forgotten."""


def commit_before_save(self: Persistence, snapshot: Snapshot) -> None:
    self.source.commit(snapshot.position)
    save(self, snapshot)


def take_a_failure_for_success(self: Persistence, snapshot: Snapshot) -> None:
    with suppress(StreamlearnerError):
        write(self, snapshot)


def flush_dead_letters_last(self: Persistence, snapshot: Snapshot) -> None:
    flush, self.dead_letters = self.dead_letters, Deaf()
    try:
        write(self, snapshot)
    finally:
        self.dead_letters = flush
    flush.flush(1.0)


class Deaf:
    def flush(self, timeout_s: float) -> None:
        """Does not."""


def never_try_again(self: Persistence, messages: int) -> bool:
    return not self.waiting and due(self, messages)


def save_what_was_polled(self: Daemon) -> None:
    if self.state.position is not None:
        self.state.position = self.state.source.position
    checkpoint(self)


def release_all_but_the_newest(self: CheckpointStore) -> Any:
    found = self.latest()
    return found and found.manifest.position


def begin_the_sleep_anew(self: Learner, tensors: Any, steps: int, facts: Any) -> None:
    begin_again(self, tensors, 0, facts)


def without_rollbacks(self: ModelVersion) -> str:
    return f"{self.adopted}.{self.examples}"


def grow_generously(self: BitBuffer, bits: int, *, spare: bool = False) -> None:
    limit, self.limit_bytes = self.limit_bytes, self.limit_bytes + 8
    try:
        resize(self, bits + 64, spare=spare)
    finally:
        self.limit_bytes = limit


def believe_what_is_read(path: Any, expected: Any = None, **more: Any) -> bytes:
    return read_file(path, None, **more)


save, write, due = Persistence.save, Persistence._write, Persistence.due
checkpoint, begin_again, resize = Daemon.checkpoint, Learner._begin_again, BitBuffer.resize
read_file = durable_files.read_file
STATE = "streamlearner.state"

MUTANTS: Mapping[str, tuple[tuple[Any, str, Change], ...]] = {
    "a file is not synced": ((disk._Opened, "sync", nothing),),
    "a folder is not synced": ((disk.SimulatedDisk, "sync_folder", nothing),),
    "what is read is not checked": (
        (f"{STATE}.checkpoint", "read_file", believe_what_is_read),
        (f"{STATE}.manifest", "read_file", believe_what_is_read),
    ),
    "committed before it is saved": ((Persistence, "save", commit_before_save),),
    "a save that failed counts": ((Persistence, "_write", take_a_failure_for_success),),
    "a save that failed is not tried again": ((Persistence, "due", never_try_again),),
    "dead letters are flushed after the checkpoint": ((Persistence, "_write", flush_dead_letters_last),),
    "the position is that of what was polled": ((Daemon, "checkpoint", save_what_was_polled),),
    "all but the newest checkpoint's messages are released": (
        (CheckpointStore, "oldest_position", release_all_but_the_newest),
    ),
    "the memory's generator is forgotten": (
        ("streamlearner.memory.reservoir", "restore_generator", nothing),
    ),
    "ids are forgotten": ((RememberedIds, "restore", nothing),),
    "the sleep schedule is forgotten": ((SleepSchedule, "restore", nothing),),
    "steps of a sleep are taken twice": ((Learner, "_begin_again", begin_the_sleep_anew),),
    "a version's name is used again": ((ModelVersion, "__str__", without_rollbacks),),
    "the memory's buffer grows past its budget": ((BitBuffer, "resize", grow_generously),),
}
"""What is changed of which class or module, for each mistake."""


@contextmanager
def mutant(name: str) -> Iterator[None]:
    """Inside, the daemon makes this mistake."""
    changes = [
        patch(f"{owner}.{attribute}", change)
        if isinstance(owner, str)
        else patch.object(owner, attribute, change)
        for owner, attribute, change in MUTANTS[name]
    ]
    calm.cache_clear()
    try:
        for change in changes:
            change.start()
        yield
    finally:
        for change in changes:
            change.stop()
        calm.cache_clear()


def lives_until_caught(name: str, *, most: int) -> int | None:
    """How many lives, from the first seed on, it takes until the mistake shows; None: not in so many."""
    with mutant(name):
        for seed in range(most):
            try:
                number, plan = plan_of(seed)
                what, _ = live(number, plan, seed)
            except CalmBroken:
                return seed + 1
            if what is not None:
                return seed + 1
    return None
