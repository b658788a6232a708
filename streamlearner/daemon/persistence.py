"""What outlives the process: checkpoints, the model versions beside them, the dead letters they vouch for."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Protocol

from torch import Tensor

from streamlearner.daemon.snapshot import Moment
from streamlearner.errors import ConfigError, StreamlearnerError
from streamlearner.state.checkpoint import Checkpoint, CheckpointStore
from streamlearner.state.versions import Version, Versions
from streamlearner.stream import Position, Source
from streamlearner.telemetry.metrics import Metrics

log = logging.getLogger(__name__)


class Flushed(Protocol):
    """Where rejects rest (`streamlearner.connectors.dead_letters.DeadLetters` is one)."""

    def flush(self, timeout_s: float) -> None: ...
    def close(self) -> None: ...


class Archive:
    """Knows when the next checkpoint is due, and makes it durable in an order that survives a crash at any
    instant: dead letters, then the model version, then the checkpoint, then word to the source.

    Where the disk or the broker refuses, `waiting` turns true: the stream must pause, or ever more would have
    to be learned again after a crash; `due` then says when to try again.
    """

    def __init__(
        self,
        *,
        checkpoints: CheckpointStore,
        versions: Versions,
        dead_letters: Flushed,
        source: Source,
        metrics: Metrics,
        method: str,
        config_digest: str,
        every_examples: int | None,
        every_s: float | None,
        retry_s: float,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
    ) -> None:
        self.checkpoints = checkpoints
        self.versions = versions
        self.dead_letters = dead_letters
        self.source = source
        self.metrics = metrics
        self.method = method
        self.config_digest = config_digest
        self.every_examples = every_examples
        self.every_s = every_s
        self.retry_s = retry_s
        self.clock = clock
        self.wall_clock = wall_clock
        self._saved_messages = 0
        self._saved_s = clock()
        self._retry_at_s: float | None = None
        self._new_version: Version | None = None

    @property
    def waiting(self) -> bool:
        """True while a checkpoint could not be written."""
        return self._retry_at_s is not None

    def keep_version(self, number: int, neocortex: Mapping[str, Tensor], *, network: str) -> None:
        """A version was adopted: a copy goes to disk with the next checkpoint, which is due at once."""
        copied = {name: tensor.clone() for name, tensor in neocortex.items()}
        self._new_version = Version(number, network, copied)

    def due(self, messages: int) -> bool:
        """Whether to save now, after `messages` were taken in all."""
        now_s = self.clock()
        if self._retry_at_s is not None:
            return now_s >= self._retry_at_s
        if self._new_version is not None:
            return True
        fresh = messages - self._saved_messages
        if self.every_examples is not None and fresh >= self.every_examples:
            return True
        return fresh > 0 and self.every_s is not None and now_s - self._saved_s >= self.every_s

    def save(self, moment: Moment) -> None:
        """Durable when it returns. Raises StreamlearnerError where it cannot be; then `waiting` is true."""
        started_s = self.clock()
        try:
            self._write(moment)
        except StreamlearnerError:
            self._retry_at_s = self.clock() + self.retry_s
            self.metrics.count_checkpoint_failure()
            raise
        self._retry_at_s, self._new_version = None, None
        self._saved_messages, self._saved_s = moment.messages, self.clock()
        self._forget(moment.position)
        self.metrics.observe_checkpoint(
            seconds=self.clock() - started_s,
            size_bytes=self.checkpoints.size_bytes(),
            now_s=self.wall_clock(),
        )

    def _write(self, moment: Moment) -> None:
        self.dead_letters.flush(timeout_s=self.retry_s)
        if self._new_version is not None:
            self.versions.save(self._new_version)
        self.checkpoints.save(
            tensors=moment.tensors,
            facts=moment.facts,
            position=moment.position,
            method=self.method,
            config_digest=self.config_digest,
            examples=moment.examples,
        )

    def _forget(self, position: Position) -> None:
        """Old checkpoints go and the source is told; what fails here is done after the next checkpoint."""
        try:
            self.checkpoints.prune()
            self.source.commit(position)
            if (oldest := self.checkpoints.oldest_position()) is not None:
                self.source.release(oldest)
        except StreamlearnerError as error:
            log.warning("the checkpoint is good, but what it replaces could not be deleted: %s", error)

    def latest(self) -> Checkpoint | None:
        """The newest checkpoint that can be read, to go on from. Raises `NoReadableCheckpoint` where there
        are only others, `ConfigError` for one of another method."""
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
        return found

    def restored(self, messages: int) -> None:
        """Counts from here: the checkpoint just restored covers `messages`."""
        self._saved_messages = messages

    def close(self) -> None:
        self.dead_letters.close()
