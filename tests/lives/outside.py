"""The outside of a life: its clock, its stream and its dead letters. Each call passes `Outside.call`, where
faults strike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from random import Random

from streamlearner.connectors.dead_letters import DeadLetters, DeadLettersNotDurable
from streamlearner.errors import PositionLost
from streamlearner.stream import Message, Position, Reject, Source
from tests.lives.faults import DEADLY, Fault, Killed, Stuck

READING_S = 0.0005
"""Each look at the clock finds it so much later."""


class Outside:
    """Counts calls by seam, and strikes. `limit` calls after the last fault the life is stuck."""

    def __init__(self, plan: Sequence[Fault], *, limit: int, seed: int) -> None:
        self.rng = Random(seed)
        self.limit = limit
        self.calls: Counter[str] = Counter()
        self.total = self.struck_last = 0
        self.struck: list[Fault] = []
        self.dead: Fault | None = None
        self.watch: Callable[[], None] = lambda: None
        self.now_s = 1_000.0
        self.day_s = 1_700_000_000.0
        self._plan = {seam: [f for f in plan if f.seam == seam] for seam in {f.seam for f in plan}}

    def call(self, seam: str) -> Fault | None:
        """One call: the fault that is to strike here, if it is not the end of the process."""
        if self.dead is not None:
            raise Killed
        number = self.calls[seam]
        self.calls[seam] += 1
        self.total += 1
        if seam != "disk":  # which changes nothing of what is watched
            self.watch()
        if self.total - self.struck_last > self.limit:
            raise Stuck
        for fault in self._plan.get(seam, ()):
            if fault.at <= number < fault.at + fault.length:
                return self._strike(fault)
        return None

    def _strike(self, fault: Fault) -> Fault:
        self.struck_last = self.total
        self.struck.append(fault)
        if fault.kind in DEADLY:
            self.dead = fault
        return fault

    def act(self, seam: str) -> Fault | None:
        """As `call`, where nothing is left half done by the end of the process."""
        fault = self.call(seam)
        if self.dead is not None:
            raise Killed
        return fault

    @contextmanager
    def peace(self) -> Iterator[None]:
        """Inside, no call counts."""
        plan, calls, total = self._plan, self.calls, self.total
        self._plan, self.calls = {}, Counter()
        try:
            yield
        finally:
            self._plan, self.calls, self.total = plan, calls, total

    def ends(self) -> None:
        """Nothing happens any more."""
        self._plan, self.watch = {}, lambda: None

    # the clock

    def clock(self) -> float:
        self._look()
        return self.now_s

    def wall_clock(self) -> float:
        self._look()
        return self.now_s + self.day_s

    def sleep(self, seconds: float) -> None:
        self._look()
        self.now_s += seconds

    def _look(self) -> None:
        self.now_s += READING_S
        fault = self.act("clock")
        if fault is not None and fault.kind == "jump":
            self.day_s += fault.chance
            self.now_s += max(0, fault.chance)


class SimulatedSource(Source):
    """All messages are there from the start; polls give as many as they like. What was released is gone."""

    name = "lives"

    def __init__(self, messages: Sequence[Message], outside: Outside) -> None:
        self.outside = outside
        self.messages = messages
        self.opens: Callable[[int], None] = lambda index: None
        self.released = self.committed = 0
        self.index = 0
        self.away = False

    def open(self, position: Position | None) -> None:
        self.outside.act("tell")
        index = 0 if position is None else int(position["index"])
        self.opens(index)
        if index < self.released:
            raise PositionLost(f"position {index}: all before {self.released} was released")
        self.index, self.away = index, False

    def poll(self, max_messages: int, timeout_s: float) -> list[Message]:
        fault = self.outside.act("poll")
        self.away = fault is not None and fault.kind == "away"
        # the more is asked for, the more often it comes in parts
        most = 0 if self.away else self.outside.rng.choice((0, 1, max_messages, max_messages, max_messages))
        taken = list(self.messages[self.index : self.index + min(most, max_messages)])
        self.index += len(taken)
        if not taken:
            self.outside.sleep(timeout_s)
        return taken

    @property
    def position(self) -> Position:
        return {"index": self.index}

    def commit(self, position: Position) -> None:
        self.outside.act("tell")
        self.committed = max(self.committed, int(position["index"]))

    def release(self, position: Position) -> None:
        self.outside.act("tell")
        self.released = max(self.released, int(position["index"]))

    def pause(self) -> None:
        """The daemon does not."""

    def resume(self) -> None:
        """The daemon does not."""

    def lag(self) -> dict[int, int]:
        return {0: len(self.messages) - self.index}

    def close(self) -> None:
        """Nothing is held."""

    @property
    def connected(self) -> bool:
        return not self.away

    @property
    def exhausted(self) -> bool:
        return self.index >= len(self.messages)


class SimulatedDeadLetters(DeadLetters):
    """Offsets and reasons of rejects: `durable` outlives the process, what waits does not."""

    def __init__(self, outside: Outside, durable: dict[int, str]) -> None:
        self.outside = outside
        self.durable = durable
        self.waiting: dict[int, str] = {}

    def write(self, rejects: Sequence[Reject]) -> None:
        self.outside.act("sink")
        self.waiting |= {reject.message.offset: reject.reason for reject in rejects}

    def flush(self, timeout_s: float) -> None:
        fault = self.outside.act("sink")
        if fault is not None and fault.kind == "refused" and self.waiting:
            raise DeadLettersNotDurable("the sink is gone")
        self.durable.update(self.waiting)
        self.waiting.clear()

    def close(self) -> None:
        """Nothing is held."""
