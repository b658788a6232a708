"""The bits reported are the bytes held, after every round of a daemon whose classes change."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from streamlearner.app import build
from streamlearner.connectors.memory import MemorySource
from streamlearner.daemon.loop import Daemon
from streamlearner.learning.learner import Learner
from streamlearner.memory.class_index import ClassIndex
from streamlearner.memory.lent_records import SHARE
from streamlearner.memory.packing import Packing
from streamlearner.stream import Message
from tests.support.daemon_runs import example, figure, settings

MESSAGES = 1_200
PUBLISHED_EVERY = 7
"""Rounds between looks at the exposition, which takes longer to render and read than a round."""
NOT_EXPERIENCE = (torch.Generator, ClassIndex, Packing)
"""Not counted, as they say: a generator's state, an index derived from the labels, a record's layout."""


def buffers(thing: object, seen: set[int] | None = None) -> Iterator[np.ndarray[Any, Any] | torch.Tensor]:
    """Every array and tensor that an object holds, however deep, each once."""
    seen = set() if seen is None else seen
    if id(thing) in seen or isinstance(thing, NOT_EXPERIENCE):
        return
    seen.add(id(thing))
    if isinstance(thing, np.ndarray | torch.Tensor):
        yield thing
        return
    parts: list[object] = []
    if isinstance(thing, dict):
        parts = list(thing.values())
    elif isinstance(thing, list | tuple | set):
        parts = list(thing)
    elif type(thing).__module__.startswith(("streamlearner", "torch")):
        parts = list(vars(thing).values()) if hasattr(thing, "__dict__") else []
    for part in parts:
        yield from buffers(part, seen)


def held_bits(thing: object, *, beside: object = None) -> int:
    """Of all that it holds and the other does not."""
    seen: set[int] = set()
    list(buffers(beside, seen))
    return sum(8 * buffer.nbytes for buffer in buffers(thing, seen))


def a_stream(*, tasks: bool) -> Iterator[Message]:
    """Two classes, then more and more, up to 40, old ones among them: label fields widen five times. With
    `tasks`, they are named from the middle on, and widen too."""
    dice = np.random.default_rng(5)
    for number in range(MESSAGES):
        newest = 2 + 38 * number // MESSAGES
        drawn = int(dice.integers(newest))
        label = newest - 1 if number % 2 else drawn
        task = f"task-{label // 4}" if tasks and number > MESSAGES // 2 else None
        message = example(number, label=label % 4, task=task)
        headers = tuple(
            (name, str(label).encode() if name == "label" else text) for name, text in message.headers
        )
        yield Message(message.value, "memory", 0, number, headers=headers)


class Auditor:
    """Looks at a daemon after each of its rounds."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._publish = daemon.publish
        self.rounds = 0
        self.most: dict[str, int] = {"recollections": 0, "exam": 0, "dream": 0}
        self.record_bits: set[int] = set()

    def publish(self) -> None:
        """In place of the daemon's own, which it calls."""
        self._publish()
        learner = self._daemon.learner
        if learner is not None:
            self.rounds += 1
            self._compare_held(learner)
            if self.rounds % PUBLISHED_EVERY == 1:
                self._compare_published(learner)

    def _compare_held(self, learner: Learner) -> None:
        memory = learner.method.memory
        budgets = {"recollections": memory.budget_bits, "exam": learner.exam.budget_bits}
        held = {"recollections": held_bits(memory), "exam": held_bits(learner.exam)}
        if learner.consolidation:
            budgets["dream"] = int(SHARE * memory.budget_bits)
            held["dream"] = held_bits(learner.consolidation.candidate.memory, beside=memory)
            assert not [name for name in learner.consolidation.start if name.endswith(".records")]
        assert held.keys() == learner.stored_bits().keys()
        for store, reported in learner.stored_bits().items():
            assert reported <= budgets[store], f"{store}: {reported} bits in round {self.rounds}"
            assert held[store] <= budgets[store], f"{store}: {held[store]} bits held in round {self.rounds}"
            assert abs(held[store] - reported) <= 0.01 * reported, (store, held[store], reported)
            self.most[store] = max(self.most[store], held[store])
        self.record_bits.add(memory.record_bits)

    def _compare_published(self, learner: Learner) -> None:
        published = self._daemon.requests.memory()["stored_bits"]
        assert published == learner.stored_bits()
        for store, bits in published.items():
            assert figure(self._daemon, f'streamlearner_memory_bits{{store="{store}"}}') == bits


@pytest.mark.parametrize(
    ("method", "sampling", "tasks"),
    [
        ("recollection_replay", "reservoir", True),
        ("recollection_replay", "balanced", False),
        ("rehearsal", "balanced", True),
    ],
)
def test_the_bits_reported_are_the_bytes_held_and_never_above_the_budget_while_classes_come_and_go(
    method: str, sampling: str, tasks: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "streamlearner.daemon.requests.PUBLISH_EVERY_S", 0.0
    )  # else figures may be 0.25 s old
    config = settings(
        tmp_path,
        method__name=method,
        memory__sampling=sampling,
        memory__budget_bits=12_345,
        exam__fraction=0.2,
    )
    daemon = build(config, source=MemorySource(list(a_stream(tasks=tasks))))
    auditor = Auditor(daemon)
    monkeypatch.setattr(daemon, "publish", auditor.publish)
    daemon.run()
    learner = daemon.learner
    assert learner is not None and learner.progress.learned + learner.progress.withheld == MESSAGES
    assert learner.progress.adopted > 3, "no sleeps among the rounds"
    assert auditor.rounds >= MESSAGES // config.daemon.batch_size
    assert len(auditor.record_bits) >= 5, "the records never widened"
    assert auditor.most["recollections"] > 0.95 * config.memory.budget_bits, "the memory was never full"
    if method != "rehearsal":  # whose sleep reads nothing
        assert auditor.most["dream"] > 0.5 * SHARE * config.memory.budget_bits, "no sleep was looked at"
    assert auditor.most["exam"] > 0.8 * config.exam.budget_bits, "the exam was never full"
