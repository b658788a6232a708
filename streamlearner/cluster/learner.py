"""A learner: the lineages of the partitions that it was assigned, in one process."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from typing import Any

from streamlearner.cluster.assignment import read_assignment
from streamlearner.cluster.claims import Claims
from streamlearner.cluster.layout import LEARNERS, STARTS
from streamlearner.cluster.lineage import Fenced, Lineage, MakeDaemon
from streamlearner.cluster.store import Store
from streamlearner.cluster.versions import PublishedVersions
from streamlearner.learning.learner import Learner
from streamlearner.learning.merging import adopt

log = logging.getLogger(__name__)

LOOK_EVERY_S = 0.5
"""At the assignment, at who has claimed a partition, and for a new version."""
IDLE_S = 0.05


class ClusterLearner:
    """Reads its partitions in turns, a batch of each. What it is to read stands in the store, so a restart
    needs no call: it claims what it was assigned, once the one before has given that up, or has been waited
    for `takeover_s`. Of two processes of one name the one that started later has all, and the other ends:
    its `turn` raises Fenced."""

    def __init__(
        self,
        *,
        name: str,
        store: Store,
        make_daemon: MakeDaemon,
        load_version: Callable[[int], Learner],
        takeover_s: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.name, self.store = name, store
        self._make_daemon, self._load_version, self._takeover_s = make_daemon, load_version, takeover_s
        self._clock, self._looked_s = clock, 0.0
        self._versions = PublishedVersions(store)
        self._read: tuple[int, Learner] | None = None
        self.lineages: dict[int, Lineage] = {}
        self._waited_since: dict[int, float] = {}
        self._starts = Claims(store, f"{STARTS}/{name}")
        self.start = self._starts.next(str(os.getpid()))
        self._rate, self._counted = 0.0, (clock(), 0)
        self._learned_here = 0

    def turn(self) -> bool:
        """One batch of each partition; False where none of them had any."""
        if self._clock() - self._looked_s >= LOOK_EVERY_S:
            self._look()
            self._looked_s = self._clock()
        took = False
        for number, lineage in list(self.lineages.items()):
            try:
                took |= lineage.turn()
                self._learned_here += lineage.daemon.took_batch
            except Fenced as fenced:
                self._drop(number, fenced)
        return took

    def stop(self) -> None:
        """Saves and gives up all partitions."""
        for number in list(self.lineages):
            self._give_up(number)
        self._report()

    def _look(self) -> None:
        if not self._starts.holds(self.start):
            for number in list(self.lineages):
                self._drop(number, Fenced(f"{self.name} was started again"))
            raise Fenced(f"{self.name} was started again after its start {self.start}: this one ends")
        wanted = read_assignment(self.store).get(self.name, [])
        for number in [number for number in self.lineages if number not in wanted]:
            self._give_up(number)
        for number in list(self.lineages):
            try:
                self.lineages[number].check()
                self._follow(self.lineages[number])
            except Fenced as fenced:
                self._drop(number, fenced)
        for number in [number for number in wanted if number not in self.lineages]:
            self._take(number)
        self._report()

    def _take(self, number: int) -> None:
        waits_since = self._waited_since.setdefault(number, self._clock())
        forced = self._clock() - waits_since >= self._takeover_s
        taken = Lineage.take(
            self.store, partition=number, holder=self.name, forced=forced, make_daemon=self._make_daemon
        )
        if taken is not None:
            self.lineages[number] = taken
            del self._waited_since[number]

    def _give_up(self, number: int) -> None:
        lineage = self.lineages.pop(number)
        try:
            lineage.give_up()
        except Fenced as fenced:
            log.warning("%s: %s", self.name, fenced)

    def _drop(self, number: int, fenced: Fenced) -> None:
        log.warning("%s: %s: dropped", self.name, fenced)
        self.lineages.pop(number).daemon.close()

    def _follow(self, lineage: Lineage) -> None:
        """Goes on from the newest published version, between two batches; its checkpoint names it."""
        newest, learner = self._versions.newest, lineage.daemon.learner
        if learner is not None and newest > learner.progress.version:
            adopt(learner, self._published(newest))
            lineage.save()

    def _published(self, number: int) -> Learner:
        """Read once for all partitions; adopting changes nothing in it."""
        if self._read is None or self._read[0] != number:
            self._read = number, self._load_version(number)
        return self._read[1]

    @property
    def _file(self) -> str:
        return f"{LEARNERS}/{self.name}.json"

    def _report(self) -> None:
        documents = {str(number): it.document() for number, it in sorted(self.lineages.items())}
        examples, now_s = sum(it["messages"] for it in documents.values()), self._clock()
        then_s, then = self._counted
        if now_s > then_s:
            self._rate, self._counted = max(0.0, (examples - then) / (now_s - then_s)), (now_s, examples)
        document: dict[str, Any] = {
            "name": self.name,
            "pid": os.getpid(),
            "at_s": now_s,
            "starts": self.start,
            "examples_per_s": round(self._rate, 1),
            "partitions": documents,
        }
        self.store.replace(self._file, document)
