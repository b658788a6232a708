"""What learning, sleeping and transplanting tell the daemon, and what they must not forget themselves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
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
    """How a sleep ended: `adopted` or refused, the exam before and after, the version that answers now.
    Where it was a transplant, `to` names its network."""

    adopted: bool
    steps: int
    before: float | None
    after: float | None
    version: int
    to: str | None = None


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


ROUND = 250
"""Steps of one round of a transplant: the most that a restart teaches again (MNIST, LeNet to MLP: 1 s)."""


@dataclass(slots=True)
class Transplant:
    """The `number`th transplant: `steps` of teaching the network `to`, `done` of them in rounds that ended.

    Each round begins with what the method then remembers and answers, so that what is learned awake
    meanwhile reaches the student too; over all of them the step size falls in one straight line (MNIST, 1,000
    steps: 91.6 % held out; falling to 0 in each round 87.6 %). `outcome`: running, adopted, refused (by the
    exam) or interrupted.
    """

    number: int
    to: str
    steps: int
    done: int = 0
    outcome: str = "running"
    before: float | None = None
    after: float | None = None

    def goes_on(self, *, after_steps: int) -> bool:
        """A round has ended: whether another is due."""
        self.done += after_steps
        return self.done < self.steps

    def end(self, verdict: Verdict) -> Verdict:
        """The last round has ended so; the verdict on the whole."""
        self.outcome = "adopted" if verdict.adopted else "refused"
        self.before, self.after = verdict.before, verdict.after
        return replace(verdict, steps=self.steps, to=self.to)

    @property
    def left(self) -> int:
        """Steps of the rounds still to come, or under way."""
        return self.steps - self.done


@dataclass(slots=True)
class Dream:
    """A sleep, or a round of a transplant, under way. `start` is the candidate as it was when it began: with
    it and the number of `steps` taken, a restart dreams the same again: an interruption changes nothing."""

    candidate: DualMemory
    course: Iterator[None]
    start: dict[str, Tensor]
    transplant: Transplant | None = None
    steps: int = 0

    @classmethod
    def begin(
        cls, method: DualMemory, candidate: DualMemory, *, transplant: Transplant | None, seed: int
    ) -> Dream:
        """What a sleep, or the round of a transplant that is due, of `method` makes of the candidate. All
        that a transplant draws follows from `seed`, its number and its round."""
        start = {name: tensor.clone() for name, tensor in candidate.state_dict().items()}
        if transplant is None:
            return cls(candidate, method.consolidate(candidate), start)
        own_seed = seed + (transplant.number << 40) + (transplant.done << 20)
        course = method.transplant(
            candidate,
            steps=min(ROUND, transplant.left),
            left=transplant.left,
            pace=transplant.left / transplant.steps,
            generator=torch.Generator().manual_seed(own_seed),
        )
        return cls(candidate, course, start, transplant)

    def settle(self, method: DualMemory) -> None:
        """`method` takes over what the candidate was taught."""
        if self.transplant is None:
            method.adopt(self.candidate)
        else:
            method.switch(self.candidate.neocortex)

    @property
    def stored_bits(self) -> int:
        """Bits of what the sleep works on beside the memory itself: the candidate's copy, and `start`'s."""
        kept = [tensor for name, tensor in self.start.items() if name.endswith(".records")]
        copied = sum(8 * tensor.numel() * tensor.element_size() for tensor in kept)
        return copied + sum(self.candidate.stored_bits().values())
