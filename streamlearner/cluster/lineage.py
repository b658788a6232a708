"""One partition's learning half: what is learned from it, with its position, in the store."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from streamlearner.cluster.layout import claims_of, state_folder, state_name
from streamlearner.cluster.scale import StoredScale
from streamlearner.cluster.store import Store
from streamlearner.daemon.loop import Daemon
from streamlearner.decoding.codec import Schema
from streamlearner.errors import StreamlearnerError
from streamlearner.learning.learner import Learner
from streamlearner.learning.merging import share_scale

log = logging.getLogger(__name__)

TRIES = 5
"""To copy a checkpoint before it is pruned: a holder that was not waited for still writes."""

MakeDaemon = Callable[[int, Path], Daemon]
"""The daemon of one partition, with its state in a folder; it serves nobody, and never sleeps."""


class Fenced(StreamlearnerError):
    """Another holder has claimed the partition: what is learned of it here counts no more."""


class Lineage:
    """A partition that was claimed in an epoch. All it writes is in the folder of that epoch, so a holder
    that was frozen harms nothing when it wakes up: nobody reads the folder of an older epoch any more."""

    def __init__(self, store: Store, *, partition: int, epoch: int, make_daemon: MakeDaemon) -> None:
        self.partition, self.epoch = partition, epoch
        self._store, self._claims = store, claims_of(store, partition)
        self.daemon = make_daemon(partition, state_folder(store, partition, epoch))
        try:
            self._share_scale(StoredScale(store))
            self.daemon.open()
        except BaseException:
            self.daemon.close()
            raise

    def _share_scale(self, scale: StoredScale) -> None:
        """Of what was saved, and of a learner that the first example makes."""
        state = self.daemon.state
        make_learner = state.learner_factory

        def sharing(schema: Schema) -> Learner:
            learner = make_learner(schema)
            share_scale(learner, scale)
            return learner

        self.daemon.restore()
        if state.learner is not None:
            share_scale(state.learner, scale)
        state.learner_factory = sharing

    @classmethod
    def take(
        cls, store: Store, *, partition: int, holder: str, forced: bool, make_daemon: MakeDaemon
    ) -> Lineage | None:
        """Claims it and goes on where its last holder saved; None while another one holds it (unless it is
        `forced`), or was faster."""
        claims = claims_of(store, partition)
        former = claims.newest()
        if former is not None and not (former.released or forced or former.holder == holder):
            return None
        epoch = claims.claim(holder, after=former.epoch if former else 0)
        if epoch is None:
            return None
        _inherit(store, partition, epoch)
        return cls(store, partition=partition, epoch=epoch, make_daemon=make_daemon)

    def turn(self) -> bool:
        """Learns the next batch, if there is one; whether there was."""
        daemon = self.daemon
        daemon.wake()
        daemon.publish()
        if daemon.persistence.due(daemon.state.tally.messages):
            self.save()
        self._bring()  # what the daemon saved by itself, too, as its first position
        return daemon.took_batch

    def save(self) -> None:
        """A checkpoint, durable when it returns. Raises Fenced where the partition is another's by now."""
        self.check()
        self.daemon.checkpoint()
        self._bring()

    def _bring(self) -> None:
        """What was saved by now, for all to see."""
        self._store.bring(state_name(self.partition, self.epoch))

    def check(self) -> None:
        """Raises Fenced."""
        if not self._claims.holds(self.epoch):
            raise Fenced(f"partition {self.partition} was claimed after epoch {self.epoch}")

    def give_up(self) -> None:
        """Saves, and lets the next holder go on from there."""
        try:
            self.check()
            self.daemon.drain()
            self._bring()
            self._claims.release(self.epoch)
        finally:
            self.daemon.close()

    def document(self) -> dict[str, Any]:
        """For the status, as JSON."""
        learner, tally = self.daemon.learner, self.daemon.state.tally
        bits = sum(learner.method.stored_bits().values()) if learner else 0
        return {
            "epoch": self.epoch,
            "messages": tally.messages,
            "learned": learner.progress.learned if learner else 0,
            "withheld": learner.progress.withheld if learner else 0,
            "lag": sum(self.daemon.state.intake.lag().values()),
            "bits": bits,
            "version": learner.progress.version if learner else 0,
        }


def _inherit(store: Store, partition: int, epoch: int) -> None:
    """The newest checkpoint of the latest epoch that has any is the first of this one."""
    for earlier in range(epoch - 1, 0, -1):
        for _ in range(TRIES):
            aside = store.aside()
            with suppress(FileNotFoundError, shutil.Error):
                number = _copy_newest(store.fetch(state_name(partition, earlier)), aside)
                if number is None:
                    break
                store.take_over(aside, state_name(partition, epoch))
                log.info("partition %d goes on from epoch %d, checkpoint %s", partition, earlier, number)
                for older in range(1, earlier):  # nobody goes on from these any more
                    store.remove(state_name(partition, older))
                return
            shutil.rmtree(aside)
        shutil.rmtree(aside, ignore_errors=True)


def _copy_newest(folder: Path, aside: Path) -> str | None:
    """Which checkpoint it is; None where there is none."""
    checkpoints = folder / "checkpoints"
    number = max((path.name for path in checkpoints.glob("[0-9]*")), default=None)
    if number is not None:
        shutil.copytree(checkpoints / number, aside / "checkpoints" / number)
    return number
