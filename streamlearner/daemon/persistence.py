"""The checkpoint manager: checkpoints, the model versions beside them, and the dead letters before them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

from torch import Tensor

from streamlearner.daemon.after_erasure import AfterErasure
from streamlearner.daemon.aside import ASIDE_BYTES, Aside, Written, only_told
from streamlearner.daemon.changed_settings import compare
from streamlearner.daemon.exports import Exports
from streamlearner.daemon.snapshot import Snapshot, adopted_version, rollbacks
from streamlearner.errors import StreamlearnerError
from streamlearner.state.checkpoint import Checkpoint, CheckpointStore
from streamlearner.state.rollback import roll_back
from streamlearner.state.versions import Lineage, Version, Versions
from streamlearner.stream import Source
from streamlearner.telemetry.metrics import Metrics

log = logging.getLogger(__name__)

RENEW_EVERY_S = 0.5
"""Between the checkpoints after an erasure: many in a row cost no more than two a second."""

HELD_BYTES = 32 * 2**20
"""Of rejects in memory that their place does not take: a checkpoint is due, for which the stream waits."""


class FlushableRejects(Protocol):
    """Where rejects are kept (`streamlearner.connectors.dead_letters.DeadLetters` is one)."""

    def flush(self, timeout_s: float) -> None: ...

    @property
    def waiting_bytes(self) -> int: ...


class Persistence:
    """Says when the next checkpoint is due, and writes it in an order that survives a crash at any instant:
    first the dead letters, then a new model version, then the checkpoint, then the commit to the source.

    Where one of the first three fails, `waiting` is true until a retry succeeds, and `due` says when to try.
    The stream must pause meanwhile: or ever more would have to be learned again after a crash. Where the
    source is full of what older checkpoints would read again, as many as are kept are saved one after the
    other, so that it can let go of them.
    """

    def __init__(
        self,
        *,
        checkpoints: CheckpointStore,
        versions: Versions,
        dead_letters: FlushableRejects,
        source: Source,
        metrics: Metrics,
        method: str,
        config_digest: str,
        settings: Mapping[str, Any],
        every_examples: int | None,
        every_s: float | None,
        retry_s: float,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
        exports: Exports | None = None,
    ) -> None:
        self.checkpoints = checkpoints
        self.versions = versions
        self.dead_letters = dead_letters
        self.source = source
        self.metrics = metrics
        self.method = method
        self.config_digest = config_digest
        self.settings = settings
        self.every_examples = every_examples
        self.every_s = every_s
        self.retry_s = retry_s
        self.clock = clock
        self.wall_clock = wall_clock
        self._exports = exports
        self._saved_messages = self.saves = 0
        self._saves_here = 0  # in succession, that cover the same messages
        self._after = AfterErasure()
        self._saved_s = clock()
        self._retry_at_s: float | None = None
        self._new_version: Version | None = None
        self._aside = Aside()
        self.broken: str | None = None
        """The weight that was not finite when the last checkpoint was to be saved."""

    @property
    def waiting(self) -> bool:
        """True while a checkpoint could not be written."""
        return self._retry_at_s is not None

    def keep_version(
        self, number: int, neocortex: Mapping[str, Tensor], *, network: str, alone: bool = False
    ) -> None:
        """A version was adopted: written with the next checkpoint, due at once. `alone`: earlier ones go."""
        if alone:
            self._after = AfterErasure(self.checkpoints.keep, oldest_version=number)
        self._new_version = Version(number, network, {name: it.clone() for name, it in neocortex.items()})

    def renew(self) -> None:
        """Something was erased: as many checkpoints as are kept are saved soon, and none still holds it."""
        self._after = replace(self._after, renewals=self.checkpoints.keep)

    def due(self, messages: int) -> bool:
        """Whether to save now, `messages` having been taken in all."""
        if not self.finish(waits=self._new_version is not None):  # or the next would take its place
            return False
        now_s = self.clock()
        if self._retry_at_s is not None:
            return now_s >= self._retry_at_s
        if self._new_version is not None or (self._after.renewals and now_s - self._saved_s >= RENEW_EVERY_S):
            return True
        fresh = messages - self._saved_messages
        if fresh > 0 and self.dead_letters.waiting_bytes >= HELD_BYTES:
            return True
        if self.source.crowded and (fresh > 0 or self._saves_here < self.checkpoints.keep):
            return True
        if self.every_examples is not None and fresh >= self.every_examples:
            return True
        return fresh > 0 and self.every_s is not None and now_s - self._saved_s >= self.every_s

    def save(self, snapshot: Snapshot, *, aside: bool = False) -> None:
        """Durable when it returns. Raises StreamlearnerError where it cannot be written, or must not be: what
        diverged never takes the place of a good checkpoint.
        With `aside` a large one that is only due becomes durable later, as `due` says: a copy is written in a
        thread, while more is learned. Who erases, adopts or asks waits for it in any case."""
        self.finish()
        urgent = self._after.renewals or self._new_version or self.source.crowded or self.waiting
        if aside and not urgent and snapshot.size_bytes >= ASIDE_BYTES:
            return self._save_aside(snapshot)
        started_s = self.clock()
        with self._failures_counted():
            self._prepare(snapshot)
            written = self._write(snapshot, self._new_version, self._after.saved_once())
        self._new_version, self._after = None, written.owed
        self.saves += 1
        self._saved(snapshot, written, started_s)

    def _save_aside(self, snapshot: Snapshot) -> None:
        started_s = self.clock()
        with self._failures_counted():
            self._prepare(snapshot)
        write = partial(self._write, version=None, after=self._after)
        self._aside.begin(snapshot, write, started_s=started_s)
        self.saves += 1  # now: what is erased meanwhile is still in it

    def finish(self, *, waits: bool = True) -> bool:
        """Whether nothing is being written aside any more; with `waits` it is not, afterwards."""
        if not waits and self._aside.busy:
            return False
        if (begun := self._aside.take()) is None:
            return True
        try:
            with self._failures_counted():
                written = begun.written.result()
            self._saved(begun.snapshot, written, begun.started_s)
        except StreamlearnerError as error:
            log.error("%s; the stream waits, next try in %g s", error, self.retry_s)
        return True

    def close(self) -> None:
        """After the last `save`: what is being written aside is on the disk, and its thread has ended."""
        self.finish()
        self._aside.close()

    @contextmanager
    def _failures_counted(self) -> Iterator[None]:
        try:
            yield
        except StreamlearnerError:
            self._retry_at_s = self.clock() + self.retry_s
            self.metrics.count_checkpoint_failure()
            raise

    def _saved(self, snapshot: Snapshot, written: Written, started_s: float) -> None:
        self._retry_at_s = None
        self._saves_here = self._saves_here + 1 if snapshot.messages == self._saved_messages else 1
        self._saved_messages, self._saved_s = snapshot.messages, self.clock()
        with only_told():
            self.source.commit(snapshot.position)
            if written.oldest_position is not None:
                self.source.release(written.oldest_position)
        if self._exports is not None:  # what the newest checkpoint holds is what answers
            self._exports.follow(adopted_version(snapshot.facts))
        self.metrics.observe_checkpoint(
            seconds=self.clock() - started_s, size_bytes=written.size_bytes, now_s=self.wall_clock()
        )

    def _prepare(self, snapshot: Snapshot) -> None:
        self.broken = snapshot.broken
        snapshot.check()
        self.dead_letters.flush(timeout_s=self.retry_s)

    def _write(self, snapshot: Snapshot, version: Version | None, after: AfterErasure) -> Written:
        """In the thread, or while that does nothing."""
        if version is not None:
            self.versions.save(version)
        self.checkpoints.save(
            tensors=snapshot.tensors,
            facts={**snapshot.facts, **after.facts(), "settings": self.settings},
            position=snapshot.position,
            method=self.method,
            config_digest=self.config_digest,
            examples=snapshot.examples,
        )
        self.versions.keep_rollbacks(rollbacks(snapshot.facts))
        oldest, owed = None, after
        with only_told():
            self.checkpoints.prune()
            self.versions.forget_before(after.oldest_version)
            owed = after.versions_deleted()
            oldest = self.checkpoints.oldest_position()
        return Written(oldest, self.checkpoints.size_bytes(), owed)

    def latest(self) -> Checkpoint | None:
        """The newest checkpoint that can be read, or None where there is none at all; a power cut cannot take
        it any more. Newer ones are set aside: they might be read again, and their positions are not of the
        history that goes on. Raises `NoReadableCheckpoint`, `ConfigError` for one of another method."""
        self.checkpoints.make_durable()
        self.versions.make_durable()
        if (found := self.checkpoints.latest()) is None:
            return None
        for skipped in found.skipped:
            self.metrics.count_unreadable_checkpoint()
            log.error("checkpoint %d was skipped: %s", skipped.number, skipped.problem)
        compare(found, method=self.method, digest=self.config_digest, settings=self.settings)
        if found.skipped:  # what they held is a future that is abandoned
            roll_back(self.checkpoints, self.versions, found.number)
        self.versions.keep_rollbacks(rollbacks(found.facts))  # who saved it may have ended before it could
        self._after = AfterErasure.of(found.facts)
        size_bytes, saved_s = self.checkpoints.size_bytes(), found.manifest.created
        self.metrics.publish_checkpoint(size_bytes=size_bytes, saved_s=saved_s)
        if self._exports is not None:
            self._exports.follow(adopted_version(found.facts))
        return found

    def restored(self, messages: int, *, newest_version: int) -> Lineage:
        """What was restored, if anything, covers `messages` and versions up to `newest_version`: from there
        checkpoints are counted, and later versions set aside. Returns what abandoned futures used up."""
        self._saved_messages = messages
        return self.versions.set_aside_above(newest_version)
