"""Learners and a consolidator as processes that are each held to one core, over the partitions of a topic."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from streamlearner.app.cluster import make_lineage
from streamlearner.app.consolidating import Consolidating
from streamlearner.app.cores import use_threads
from streamlearner.cluster.assignment import assigned
from streamlearner.cluster.consolidator import Consolidator
from streamlearner.cluster.layout import ASSIGNMENT, LEARNERS, REPORT
from streamlearner.cluster.learner import IDLE_S, ClusterLearner
from streamlearner.cluster.store import Store
from streamlearner.cluster.versions import PublishedVersions
from streamlearner.config.loading import load
from streamlearner.errors import StreamlearnerError

PATIENCE_S, LOOK_EVERY_S = 300.0, 0.2
END_S = 60.0
Settings = Mapping[str, Any]


class Processes:
    """Of one cluster, with a store of its own; Ray is no part of it, so what is measured is the work."""

    def __init__(self, folder: Path, settings: Settings, *, partitions: int) -> None:
        self.store, self._settings, self._partitions = Store(folder), settings, partitions
        self._context = multiprocessing.get_context("spawn")
        self._stopping = self._context.Event()
        self._running: list[Any] = []

    def start(self, cores: list[int], *, consolidator_on: int | None = None) -> None:
        """A learner on each of these cores."""
        names = [f"learner-{number}" for number in range(len(cores))]
        self.store.replace(ASSIGNMENT, assigned(self._partitions, names, {}))
        for name, core in zip(names, cores, strict=True):
            self._spawn(learn, name, core)
        if consolidator_on is not None:
            self._spawn(consolidate, "consolidator", consolidator_on)

    def _spawn(self, work: Callable[..., None], name: str, core: int) -> None:
        told = (str(self.store.folder), dict(self._settings), name, core, self._stopping)
        process = self._context.Process(target=work, args=told, daemon=True)
        process.start()
        self._running.append(process)

    def until_all_learn(self) -> None:
        """Each partition has an owner that has learned of it."""
        end_s = time.monotonic() + PATIENCE_S
        while sum(it > 0 for told in self._told() for it in _messages(told)) < self._partitions:
            if time.monotonic() > end_s:
                raise StreamlearnerError(f"not all partitions were read within {PATIENCE_S:g} s")
            time.sleep(LOOK_EVERY_S)

    def examples_per_s(self, seconds: float) -> float:
        """Of all learners together, from now on, by their own clocks."""
        before = self._told()
        time.sleep(seconds)
        after = self._told()
        if not all(it["lag"] for told in after for it in told["partitions"].values()):
            raise StreamlearnerError("the topic ran dry while learners were timed: make it longer")
        pairs = zip(before, after, strict=True)
        return sum((sum(_messages(b)) - sum(_messages(a))) / float(b["at_s"] - a["at_s"]) for a, b in pairs)

    def consolidation(self) -> dict[str, Any]:
        """The report of the last one; empty before the first."""
        return self.store.read(REPORT) or {}

    def _told(self) -> list[dict[str, Any]]:
        names = self.store.names(LEARNERS)
        return [told for name in names if (told := self.store.read(f"{LEARNERS}/{name}"))]

    def stop(self) -> None:
        self._stopping.set()
        for process in self._running:
            process.join(END_S)
            if process.is_alive():
                process.kill()


@contextmanager
def processes(folder: Path, settings: Settings, *, partitions: int) -> Iterator[Processes]:
    made = Processes(folder, settings, partitions=partitions)
    try:
        yield made
    finally:
        made.stop()


def learn(folder: str, settings: Settings, name: str, core: int, stopping: Any) -> None:
    """A process: turns until it is told to stop."""
    config, store = _opened(settings, core), Store(Path(folder))

    def load_version(number: int) -> Any:
        state = Consolidating(config).read(PublishedVersions(store).folder(number))
        assert state is not None and state.learner is not None
        return state.learner

    learner = ClusterLearner(
        name=name,
        store=store,
        make_daemon=lambda partition, folder: make_lineage(config, partition=partition, folder=folder),
        load_version=load_version,
        takeover_s=5.0,
    )
    while not stopping.is_set():
        if not learner.turn():
            time.sleep(IDLE_S)
    learner.stop()


def consolidate(folder: str, settings: Settings, name: str, core: int, stopping: Any) -> None:
    config = _opened(settings, core)
    every = config.cluster.consolidate_every_examples
    made: Any = Consolidator(
        holder=name, store=Store(Path(folder)), work=Consolidating(config), every_examples=every
    )
    while not stopping.is_set():
        made.turn()
        time.sleep(1.0)


def _opened(settings: Settings, core: int) -> Any:
    os.sched_setaffinity(0, {core})
    use_threads(1)
    return load(path=None, settings=dict(settings), environ={})


def _messages(told: Mapping[str, Any]) -> list[int]:
    return [int(it["messages"]) for it in told["partitions"].values()]
