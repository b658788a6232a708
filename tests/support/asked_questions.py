"""The gateway's questions, with a daemon that answers when it is told to, and a clock of their own."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import numpy as np

from streamlearner.gateway.frames import Asker, Frames, Group, Reply, Told, groups
from streamlearner.gateway.questions import Questions
from streamlearner.gateway.requests import Query

NUMBERS = count(1000)


class Timer:
    """Calls once so many seconds have gone by, unless it is cancelled."""

    def __init__(self, due_s: float, call: Callable[[], None]) -> None:
        self.due_s, self.call, self.is_cancelled = due_s, call, False

    def cancel(self) -> None:
        self.is_cancelled = True


class Daemon:
    """What is asked of it; it answers each input with the number in it."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, list[Group]]] = []
        self.later: list[Callable[[], None]] = []
        self.timers: list[Timer] = []
        self.now_s = 0.0
        self.frames = Frames()
        self.questions = Questions(
            write=self.hear, soon=self.later.append, later=self.in_a_while, clock=lambda: self.now_s
        )

    def in_a_while(self, after_s: float, call: Callable[[], None]) -> Timer:
        self.timers.append(Timer(self.now_s + after_s, call))
        return self.timers[-1]

    def wait(self, for_s: float) -> None:
        self.now_s += for_s
        due = [one for one in self.timers if one.due_s <= self.now_s]
        self.timers = [one for one in self.timers if one not in due]
        for one in due:
            if not one.is_cancelled:
                one.call()
        self.turn()

    def hear(self, data: bytes) -> None:
        self.asked += [(number, groups(message)) for number, message in self.frames.feed(data)]

    def turn(self) -> None:
        """The next turn of the event loop."""
        due, self.later[:] = list(self.later), []
        for call in due:
            call()

    def answer(self) -> None:
        number, asked = self.asked.pop(0)
        found = []
        for group in asked:
            inputs = np.frombuffer(group.data, group.dtype).reshape(-1, *group.shape)
            rows = iter(inputs.reshape(len(inputs), -1)[:, 0].tolist())
            told: list[Told | None] = [
                Told("id", [(next(rows), 1.0, None) for _ in range(asker.inputs)]) for asker in group.askers
            ]
            found.append(Reply("1", "fast", told))
        self.questions.hear([number, found])
        self.turn()


def ask(
    daemon: Daemon,
    heard: list[Any],
    *levels: float,
    task: Any = None,
    size: int = 2,
    connection: int | None = None,
) -> None:
    """Each over a connection of its own, unless it is said which."""
    inputs = np.array([[level] * size for level in levels], np.float32)

    def hears(reply: Reply, told: Told | None) -> None:
        heard.append([label for label, _, _ in told.answers] if told else None)

    number = next(NUMBERS) if connection is None else connection
    daemon.questions.ask(number, Query(inputs, task, False), Asker(len(levels), "a", "", 0.0), hears)


def sizes(daemon: Daemon) -> list[list[int]]:
    """How many requests each group of each question has."""
    return [[len(group.askers) for group in asked] for _, asked in daemon.asked]
