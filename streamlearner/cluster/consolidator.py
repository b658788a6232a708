"""The consolidator: merges what all learners remember, and teaches the long-term model from codes alone."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from streamlearner.cluster.claims import Claims
from streamlearner.cluster.layout import LEASE, PARTITIONS, REPORT, claims_of, state_name
from streamlearner.cluster.store import Store
from streamlearner.cluster.versions import PublishedVersions
from streamlearner.errors import StreamlearnerError
from streamlearner.state.manifest import MANIFEST

log = logging.getLogger(__name__)

State = TypeVar("State")
Shard = TypeVar("Shard")


class Consolidating(Protocol[State, Shard]):
    """What reads states, makes one of them, and writes it (`app.consolidating`)."""

    def read(self, folder: Path) -> State | None:
        """The newest checkpoint of a state folder; None where there is none yet."""

    def read_shard(self, folder: Path) -> Shard | None:
        """What a merge needs of it, and no more."""

    def reads(self, name: str) -> bool:
        """Whether `read_shard` reads a file of this name."""

    def learned(self, folder: Path) -> int:
        """Examples that the newest checkpoint of a state folder tells of, without reading the rest of it."""

    def consolidate(
        self, shards: Sequence[Shard], former: State | None, *, number: int
    ) -> tuple[State, bool, dict[str, Any]]:
        """Merges them, and teaches version `number`, from `former` on: one state of what all hold, whether
        the merged exam let it pass, and what became of it, as JSON. Raises ValueError where they cannot be
        one."""

    def write(self, state: State, folder: Path) -> None:
        """As a state folder."""


class Consolidator(Generic[State, Shard]):
    """Works under a lease: whoever claims it later is the only one whose versions are published.

    What cannot be read, or merged, is refused: the report says why, and the next turn tries again once more
    was learned (at once, where it could not be read: its holder may have pruned it meanwhile).
    """

    def __init__(
        self,
        *,
        holder: str,
        store: Store,
        work: Consolidating[State, Shard],
        every_examples: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.store, self._work, self._every_examples, self._clock = store, work, every_examples, clock
        self.versions, self._lease = PublishedVersions(store), Claims(store, LEASE)
        self._epoch = self._lease.next(holder)
        self._published: tuple[int, State] | None = None

    @property
    def holds_lease(self) -> bool:
        return self._lease.holds(self._epoch)

    def turn(self, *, at_once: bool = False) -> bool:
        """Consolidates where enough was learned since the last time; whether a version was published."""
        if not self.holds_lease:
            return False
        names = self._names()
        learned = sum(self._work.learned(self.store.fetch(name, MANIFEST.__eq__)) for name in names)
        before = int((self.store.read(REPORT) or {}).get("learned", 0))
        if not learned or learned - before < (1 if at_once else self._every_examples):
            return False
        began_s = self._clock()
        try:
            folders = [self.store.fetch(name, self._work.reads) for name in names]
            shards = [shard for shard in map(self._work.read_shard, folders) if shard is not None]
            former = self._former(self.versions.newest)
        except StreamlearnerError as error:
            return self._refuse(error, learned=before, began_s=began_s)
        try:
            return bool(shards) and self._consolidate(shards, former, learned, began_s)
        except ValueError as error:
            return self._refuse(error, learned=learned, began_s=began_s)

    def _consolidate(
        self, shards: Sequence[Shard], former: State | None, learned: int, began_s: float
    ) -> bool:
        newest = self.versions.newest
        whole, passed, document = self._work.consolidate(shards, former, number=newest + 1)
        published = passed and self._publish(whole, newest + 1)
        outcome = {"version": newest + published, "outcome": "published" if published else "refused"}
        document |= outcome | {"lineages": len(shards)}
        self._report(document, learned=learned, began_s=began_s)
        log.info("version %d was %s: %s", newest + 1, document["outcome"], document)
        return published

    def _refuse(self, error: Exception, *, learned: int, began_s: float) -> bool:
        """Nothing is published; what was published stays."""
        told, newest = self.store.read(REPORT) or {}, self.versions.newest
        if told.get("why") != str(error) or told.get("learned") != learned:
            log.warning("no version %d: %s", newest + 1, error)
        document = {"version": newest, "outcome": "refused", "why": str(error)}
        self._report(document, learned=learned, began_s=began_s)
        return False

    def _report(self, document: dict[str, Any], *, learned: int, began_s: float) -> None:
        now_s = self._clock()
        ended = {"learned": learned, "seconds": round(now_s - began_s, 3), "at_s": now_s}
        self.store.replace(REPORT, document | ended)

    def _former(self, newest: int) -> State | None:
        """The newest version; read where another consolidator published it."""
        if self._published is not None and self._published[0] == newest:
            return self._published[1]
        return self._work.read(self.versions.folder(newest)) if newest else None

    def _publish(self, state: State, number: int) -> bool:
        aside = self.store.aside()
        self._work.write(state, aside)
        if not self.holds_lease:
            shutil.rmtree(aside)
            return False
        published = self.versions.publish(aside, number)
        self._published = (number, state) if published else None
        return published

    def _names(self) -> list[str]:
        """Of each partition the state of the newest epoch; that of the one before, while it has none."""
        found = []
        for partition in map(int, self.store.names(PARTITIONS)):
            newest = claims_of(self.store, partition).newest()
            names = (state_name(partition, epoch) for epoch in range(newest.epoch if newest else 0, 0, -1))
            found += [name for name in names if self.store.names(f"{name}/checkpoints")][:1]
        return found
