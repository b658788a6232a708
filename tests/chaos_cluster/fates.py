"""What happens to a cluster: kills, frozen learners, other numbers of learners, drawn from a seed."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress

from tests.chaos_cluster.nodes import Nodes

SHARES = {"learner": 40, "consolidator": 20, "replica": 30, "raylet": 10, "scale": 20, "freeze": 10}
"""Of 130 events 100 are kills, 20 changes of the number of learners, 10 frozen learners."""
MOST_LEARNERS = 4
FROZEN_S = 4.0, 25.0
"""Longer than a takeover: half of them wake up when others have had their partitions."""


def wanted(events: int) -> Counter[str]:
    """How many of each kind, in the proportions of SHARES; where these leave a rest, the largest first."""
    exact = {kind: events * share / sum(SHARES.values()) for kind, share in SHARES.items()}
    found = Counter({kind: int(many) for kind, many in exact.items()})
    by_rest = sorted(exact, key=lambda kind: found[kind] - exact[kind])
    found.update(by_rest[: events - found.total()])
    return found


def drawn(events: int, happened: Counter[str], *, most: int, seed: int) -> list[str]:
    """The kinds of the next `most` of `events`, of which these have happened: at the end each kind has as
    often as is `wanted`."""
    left = sorted((wanted(events) - happened).elements())
    return random.Random(seed).sample(left, min(most, len(left), max(0, events - happened.total())))


class Fate:
    """`strike` does the next of `kinds`; what cannot be done now, as there is no such process just then,
    comes after the others."""

    def __init__(self, nodes: Nodes, kinds: Sequence[str], seed: int) -> None:
        self.nodes, self.draw = nodes, random.Random(seed)
        self.left, self.happened = list(kinds), Counter[str]()
        self.kills_of_answering_s: list[tuple[float, float]] = []
        """When the kill of a process that answers began, and when it was gone."""
        self._frozen: list[tuple[float, int]] = []

    def strike(self) -> None:
        """There is one left."""
        self.thaw()
        kind = self.left.pop(0)
        done = {"raylet": self._raylet, "scale": self._scale, "freeze": self._freeze}
        if done[kind]() if kind in done else self._kill(kind):
            self.happened[kind] += 1
        else:
            self.left.append(kind)

    def _kill(self, kind: str) -> bool:
        nodes = self.nodes
        pids = {"learner": nodes.learners, "consolidator": nodes.consolidator, "replica": nodes.replicas}[
            kind
        ]()
        if not pids or (kind == "replica" and len(pids) < 2):  # one that is left answers
            return False
        began_s = time.monotonic()
        self._signal(self.draw.choice(pids), signal.SIGKILL)
        if kind == "replica":
            self.kills_of_answering_s.append((began_s, time.monotonic()))
        return True

    def _raylet(self) -> bool:
        if len(self.nodes.replicas()) < 2:
            return False
        began_s = time.monotonic()
        self.nodes.kill_node(self.draw)
        self.kills_of_answering_s.append((began_s, time.monotonic()))
        self.nodes.replace_node()
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
