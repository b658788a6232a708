"""What happens to a cluster: kills, frozen learners, other numbers of learners, drawn from a seed."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from contextlib import suppress

from tests.chaos_cluster.nodes import Nodes

WEIGHTS = {"learner": 40, "consolidator": 20, "replica": 30, "raylet": 10, "scale": 20, "freeze": 10}
"""Of 130 events 100 are kills, 20 changes of the number of learners, 10 frozen learners."""
MOST_LEARNERS = 4
FROZEN_S = 4.0, 25.0
"""Longer than a takeover: half of them wake up when others have had their partitions."""


class Fate:
    """`strike` does what is drawn next; what cannot be done now, as there is no such process just then, is
    drawn again by the next one."""

    def __init__(self, nodes: Nodes, seed: int) -> None:
        self.nodes, self.draw = nodes, random.Random(seed)
        self.happened: Counter[str] = Counter()
        self.kills_of_answering_s: list[float] = []
        self._frozen: list[tuple[float, int]] = []

    @property
    def events(self) -> int:
        return self.happened.total()

    def strike(self) -> str | None:
        """What happened."""
        self.thaw()
        kind = self.draw.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        done = {"raylet": self._raylet, "scale": self._scale, "freeze": self._freeze}
        if not (done[kind]() if kind in done else self._kill(kind)):
            return None
        self.happened[kind] += 1
        return kind

    def _kill(self, kind: str) -> bool:
        nodes = self.nodes
        pids = {"learner": nodes.learners, "consolidator": nodes.consolidator, "replica": nodes.replicas}[
            kind
        ]()
        if not pids or (kind == "replica" and len(pids) < 2):  # one that is left answers
            return False
        self._signal(self.draw.choice(pids), signal.SIGKILL)
        if kind == "replica":
            self.kills_of_answering_s.append(time.monotonic())
        return True

    def _raylet(self) -> bool:
        if len(self.nodes.replicas()) < 2:
            return False
        self.kills_of_answering_s.append(time.monotonic())
        self.nodes.kill_node(self.draw)
        return True

    def _scale(self) -> bool:
        self.nodes.scale(self.draw.randint(1, MOST_LEARNERS))
        return True

    def _freeze(self) -> bool:
        """Half of the times others take some of its partitions meanwhile."""
        pids = self.nodes.learners()
        if not pids:
            return False
        pid = self.draw.choice(pids)
        self._signal(pid, signal.SIGSTOP)
        self._frozen.append((time.monotonic() + self.draw.uniform(*FROZEN_S), pid))
        if self.draw.random() < 0.5:
            self.nodes.scale(min(MOST_LEARNERS, len(pids) + 1))
        return True

    def thaw(self, *, all_of_them: bool = False) -> None:
        """Who was frozen for long enough goes on where it was."""
        due = [it for it in self._frozen if all_of_them or it[0] <= time.monotonic()]
        for it in due:
            self._frozen.remove(it)
            self._signal(it[1], signal.SIGCONT)

    def _signal(self, pid: int, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
