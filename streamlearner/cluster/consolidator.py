"""The consolidator: merges what all learners remember, and teaches the long-term model from codes alone."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from streamlearner.cluster.claims import Claims
from streamlearner.cluster.layout import LEASE, PARTITIONS, REPORT, claims_of, state_folder
from streamlearner.cluster.store import Store
from streamlearner.cluster.versions import PublishedVersions

log = logging.getLogger(__name__)

State = TypeVar("State")


class Consolidating(Protocol[State]):
    """What reads states, makes one of them, and writes it (`app.cluster`)."""

    def read(self, folder: Path) -> State | None:
        """The newest checkpoint of a state folder; None where there is none yet."""

    def learned(self, folder: Path) -> int:
        """Examples that the newest checkpoint of a state folder tells of, without reading the rest of it."""

    def consolidate(
        self, states: Sequence[State], former: State | None, *, number: int
    ) -> tuple[State, bool, dict[str, Any]]:
        """Merges them, and teaches version `number`, from `former` on: one state of what all hold, whether
        the merged exam let it pass, and what became of it, as JSON."""

    def write(self, state: State, folder: Path) -> None:
        """As a state folder."""


class Consolidator(Generic[State]):
    """Works under a lease: whoever claims it later is the only one whose versions are published."""

    def __init__(
        self,
        *,
        holder: str,
        store: Store,
        work: Consolidating[State],
        every_examples: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.store, self._work, self._every_examples, self._clock = store, work, every_examples, clock
        self.versions, self._lease = PublishedVersions(store), Claims(store, LEASE)
        self._epoch = self._lease.next(holder)

    @property
    def holds_lease(self) -> bool:
        return self._lease.holds(self._epoch)

    def turn(self, *, at_once: bool = False) -> bool:
        """Consolidates where enough was learned since the last time; whether a version was published."""
        if not self.holds_lease:
            return False
        folders = self._folders()
        learned = sum(map(self._work.learned, folders))
        before = int((self.store.read(REPORT) or {}).get("learned", 0))
        if not learned or learned - before < (1 if at_once else self._every_examples):
            return False
        states = [state for state in map(self._work.read, folders) if state is not None]
        return bool(states) and self._consolidate(states, learned)

    def _consolidate(self, states: Sequence[State], learned: int) -> bool:
        newest, began_s = self.versions.newest, self._clock()
        former = self._work.read(self.versions.folder(newest)) if newest else None
        whole, passed, document = self._work.consolidate(states, former, number=newest + 1)
        published = passed and self._publish(whole, newest + 1)
        report = {
            "learned": learned,
            "lineages": len(states),
            "version": newest + 1 if published else newest,
            "outcome": "published" if published else "refused",
            "seconds": round(self._clock() - began_s, 3),
            "at_s": self._clock(),
        }
        self.store.replace(REPORT, document | report)
        log.info("version %d was %s: %s", newest + 1, report["outcome"], document)
        return published

    def _publish(self, state: State, number: int) -> bool:
        aside = self.store.aside()
        self._work.write(state, aside)
        if not self.holds_lease:
            shutil.rmtree(aside)
            return False
        return self.versions.publish(aside, number)

    def _folders(self) -> list[Path]:
        """Of each partition the state of the newest epoch; that of the one before, while it has none."""
        found = []
        for name in self.store.names(PARTITIONS):
            newest = claims_of(self.store, int(name)).newest()
            epochs = range(newest.epoch if newest else 0, 0, -1)
            folders = (state_folder(self.store, int(name), epoch) for epoch in epochs)
            found += [next((it for it in folders if (it / "checkpoints").is_dir()), Path())]
        return [folder for folder in found if folder != Path()]
