"""What learning and sleeping tell the daemon, and what they must not forget themselves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor

from streamlearner.methods.base import DualMemory, Observation


@dataclass(frozen=True, slots=True)
class Lesson:
    """What one batch became: examples withheld for the exam, examples learned, the method's own report."""

    withheld: int
    learned: int
    observation: Observation | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a sleep ended: `adopted` or refused, the exam before and after, the version that answers now."""

    adopted: bool
    steps: int
    before: float | None
    after: float | None
    version: int


@dataclass(slots=True)
class Progress:
    """Counters that a restart must not lose. `version` is the adopted one, `newest` the highest ever."""

    learned: int = 0
    withheld: int = 0
    period: int = 0
    version: int = 0
    newest: int = 0
    adopted: int = 0
    refused: int = 0


@dataclass(slots=True)
class Dream:
    """A sleep under way. `start` is the candidate as it was when the sleep began: with it and the number of
    `steps` taken, a restart dreams the same sleep again, so an interrupted sleep changes nothing."""

    candidate: DualMemory
    course: Iterator[None]
    start: dict[str, Tensor]
    steps: int = 0

    @property
    def stored_bits(self) -> int:
        """Bits of what the sleep works on beside the memory itself: the candidate's copy, and `start`'s."""
        kept = [tensor for name, tensor in self.start.items() if name.endswith(".records")]
        copied = sum(8 * tensor.numel() * tensor.element_size() for tensor in kept)
        return copied + sum(self.candidate.stored_bits().values())
