"""What Ray repeats does no harm: each method of an actor may be called twice, and so may what drives them."""

from __future__ import annotations

import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from streamlearner.app.cluster_setup import Replicas, Resources, Setup
from streamlearner.cluster.assignment import read_assignment
from streamlearner.cluster.engine import Engine, Loop
from streamlearner.cluster.layout import WANTED
from streamlearner.cluster.learner import ClusterLearner
from streamlearner.cluster.store import Store
from streamlearner.errors import StateInUse


def test_a_loop_is_stopped_once_however_often_that_is_asked() -> None:
    turned, stopped = threading.Event(), []

    def turn() -> bool:
        turned.set()
        return False

    loop = Loop(turn, lambda: stopped.append(1))
    assert turned.wait(60)
    assert loop.stop() and loop.stop() and stopped == [1]


def test_a_learner_gives_up_its_partitions_once_however_often_that_is_asked(tmp_path: Path) -> None:
    given_up: list[int] = []
    learner = ClusterLearner(
        name="learner-0",
        store=Store(tmp_path),
        make_daemon=lambda partition, folder: pytest.fail("nothing is taken"),
        load_version=lambda number: pytest.fail("nothing is published"),
        takeover_s=5.0,
    )
    lineage: Any = SimpleNamespace(give_up=lambda: given_up.append(3), document=lambda: {"messages": 0})
    learner.lineages[3] = lineage
    learner.stop()
    learner.stop()
    assert given_up == [3] and not learner.lineages


class Actor:
    """A handle of Ray's: what was asked of it."""

    def __init__(self, name: str, told: list[str]) -> None:
        self.name, self._told = name, told
        self.stop = SimpleNamespace(remote=lambda: self._told.append(f"stop {name}"))


class RecordedRay:
    """In place of Ray: which actors were made, asked to stop, and ended."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def remote(self, **options: Any) -> Any:
        assert options["max_restarts"] == options["max_task_retries"] == -1

        def make(setup: Setup, name: str) -> Actor:
            self.told.append(f"make {name}")
            return Actor(name, self.told)

        return lambda kind: SimpleNamespace(remote=make)

    def get(self, asked: list[None], timeout: float) -> None:
        pass

    def kill(self, actor: Actor) -> None:
        self.told.append(f"kill {actor.name}")


@pytest.fixture
def setup(tmp_path: Path) -> Setup:
    one = Resources(1.0, None)
    return Setup(
        path=None, settings={}, store=str(tmp_path), partitions=4, learners=2, replicas=Replicas(0, 0, 1.0),
        host="127.0.0.1", port=0, consolidate_every_examples=10, takeover_s=1.0,
        learner=one, consolidator=one, replica=one,
    )  # fmt: skip


def an_engine(setup: Setup) -> tuple[Engine, RecordedRay]:
    engine, ray = Engine(setup), RecordedRay()
    engine._ray = ray
    return engine, ray


def test_it_follows_the_number_of_learners_that_is_wanted_and_repeats_nothing(setup: Setup) -> None:
    engine, ray = an_engine(setup)
    engine.follow()
    engine.follow()
    assert ray.told == ["make learner-0", "make learner-1"]
    engine.store.replace(WANTED, {"learners": 3})
    engine.follow()
    engine.follow()
    assert ray.told[2:] == ["make learner-2"] and len(read_assignment(engine.store)) == 3
    engine.store.replace(WANTED, {"learners": 1})
    engine.follow()
    engine.follow()
    assert ray.told[3:] == ["stop learner-1", "kill learner-1", "stop learner-2", "kill learner-2"]
    assert read_assignment(engine.store) == {"learner-0": [0, 1, 2, 3]}, "who goes gave up before"


def test_one_that_was_started_elsewhere_later_has_the_cluster(setup: Setup) -> None:
    first, ray = an_engine(setup)
    second, _ = an_engine(setup)
    with pytest.raises(StateInUse, match="another `streamlearner cluster run`"):
        first.follow()
    assert ray.told == []
    second.follow()
