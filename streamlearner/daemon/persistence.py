"""The checkpoint manager: checkpoints, the model versions beside them, and the dead letters before them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from torch import Tensor

from streamlearner.daemon.exports import Exports
from streamlearner.daemon.snapshot import Snapshot, adopted_version
from streamlearner.errors import CheckpointError, ConfigError, StreamlearnerError
from streamlearner.state.checkpoint import Checkpoint, CheckpointStore
from streamlearner.state.versions import Lineage, Version, Versions
from streamlearner.stream import Position, Source
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
        self._saved_messages = 0
        self._saves_here = 0  # in succession, that cover the same messages
        self.saves = 0
        self._to_renew = 0
        self._alone = 0
        self._saved_s = clock()
        self._retry_at_s: float | None = None
        self._new_version: Version | None = None
        self.broken: str | None = None
        """The weight that was not finite when the last checkpoint was to be saved."""

    @property
    def waiting(self) -> bool:
        """True while a checkpoint could not be written."""
        return self._retry_at_s is not None

    def keep_version(
        self, number: int, neocortex: Mapping[str, Tensor], *, network: str, alone: bool = False
    ) -> None:
        """A version was adopted: a copy is written with the next checkpoint, which is due at once. `alone`:
        earlier versions go then, and checkpoints that hold their weights."""
        if alone:
            self._alone = number
            self.renew()
        copied = {name: tensor.clone() for name, tensor in neocortex.items()}
        self._new_version = Version(number, network, copied)

    def renew(self) -> None:
        """Something was erased: as many checkpoints as are kept are saved soon, and none still holds it."""
        self._to_renew = self.checkpoints.keep

    def due(self, messages: int) -> bool:
        """Whether to save now, `messages` having been taken in all."""
        now_s = self.clock()
        if self._retry_at_s is not None:
            return now_s >= self._retry_at_s
        if self._new_version is not None:
            return True
        if self._to_renew and now_s - self._saved_s >= RENEW_EVERY_S:
            return True
        fresh = messages - self._saved_messages
        if fresh > 0 and self.dead_letters.waiting_bytes >= HELD_BYTES:
            return True
        if self.source.crowded and (fresh > 0 or self._saves_here < self.checkpoints.keep):
            return True
        if self.every_examples is not None and fresh >= self.every_examples:
            return True
        return fresh > 0 and self.every_s is not None and now_s - self._saved_s >= self.every_s

    def save(self, snapshot: Snapshot) -> None:
        """Durable when it returns. Raises StreamlearnerError where it cannot be written, or must not be: what
        diverged never takes the place of a good checkpoint."""
        started_s, self.broken = self.clock(), snapshot.broken
        try:
            self._write(snapshot)
        except StreamlearnerError:
            self._retry_at_s = self.clock() + self.retry_s
            self.metrics.count_checkpoint_failure()
            raise
        self._retry_at_s, self._new_version = None, None
        self._saves_here = self._saves_here + 1 if snapshot.messages == self._saved_messages else 1
        self._saved_messages, self._saved_s = snapshot.messages, self.clock()
        self.saves += 1
        self._to_renew = max(0, self._to_renew - 1)
        self._release(snapshot.position)
        self._export(snapshot.facts)
        self.metrics.observe_checkpoint(
            seconds=self.clock() - started_s,
            size_bytes=self.checkpoints.size_bytes(),
            now_s=self.wall_clock(),
        )

    def _write(self, snapshot: Snapshot) -> None:
        if snapshot.broken is not None:
            raise CheckpointError(
                f"no checkpoint is saved, as {snapshot.broken} is not finite: the model diverged, and the "
                "last good checkpoint stays (lower method.learning_rate, and restart or roll back)"
            )
        self.dead_letters.flush(timeout_s=self.retry_s)
        if self._new_version is not None:
            self.versions.save(self._new_version)
        self.checkpoints.save(
            tensors=snapshot.tensors,
            facts={**snapshot.facts, "settings": self.settings},
            position=snapshot.position,
            method=self.method,
            config_digest=self.config_digest,
            examples=snapshot.examples,
        )

    def _release(self, position: Position) -> None:
        """Deletes old checkpoints and commits to the source; what fails is done after the next checkpoint."""
        try:
            self.checkpoints.prune()
            self.versions.forget_before(self._alone)
            self.source.commit(position)
            if (oldest := self.checkpoints.oldest_position()) is not None:
                self.source.release(oldest)
        except StreamlearnerError as error:
            log.warning("the checkpoint is good, but what it replaces could not be deleted: %s", error)

    def _export(self, facts: Mapping[str, Any]) -> None:
        """What the newest checkpoint holds is what answers: its version is exported, where that is asked."""
        if self._exports is not None:
            self._exports.follow(adopted_version(facts))

    def latest(self) -> Checkpoint | None:
        """The newest checkpoint that can be read, or None where there is none at all. Raises
        `NoReadableCheckpoint` where not one can be read, `ConfigError` for one of another method."""
        found = self.checkpoints.latest()
        if found is None:
            return None
        for skipped in found.skipped:
            self.metrics.count_unreadable_checkpoint()
            log.error("checkpoint %d was skipped: %s", skipped.number, skipped.problem)
        if found.manifest.method != self.method:
            raise ConfigError(
                f"checkpoint {found.path} was learned by method {found.manifest.method}, the configuration "
                f"says {self.method}: set method.name back, or choose another state_dir"
            )
        if found.manifest.config_digest != self.config_digest:
            log.warning("settings that shape learning have changed since checkpoint %d", found.number)
        self.metrics.publish_checkpoint(
            size_bytes=self.checkpoints.size_bytes(), saved_s=found.manifest.created
        )
        self._export(found.facts)
        return found

    def restored(self, messages: int, *, newest_version: int) -> Lineage:
        """What was restored, if anything, covers `messages` and the versions up to `newest_version`: the
        next checkpoint is counted from there, and later versions are not of this history. Returns what
        futures that were abandoned have used up."""
        self._saved_messages = messages
        return self.versions.set_aside_above(newest_version)
