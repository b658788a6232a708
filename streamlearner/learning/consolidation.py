"""What learning, consolidation and transplants return, and the state of one that is under way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from streamlearner.evaluation.paired_test import fewest_losses, probability_of_losses
from streamlearner.evaluation.retention import ExamAccuracy
from streamlearner.learning.served_accuracy import Fall
from streamlearner.methods.base import DualMemory, Observation
from streamlearner.networks.finiteness import not_finite


@dataclass(frozen=True, slots=True)
class LearningResult:
    """What became of one batch: how many examples were withheld for the exam, how many learned, what the
    method returned, where served accuracy fell, and how many missing numbers were filled."""

    withheld: int
    learned: int
    observation: Observation | None
    falls: Sequence[Fall] = ()
    filled: int = 0


@dataclass(frozen=True, slots=True)
class ConsolidationResult:
    """How a consolidation ended: `adopted` or refused, accuracy on the exam before and after, the version
    that answers now. `losses` are the classes whose accuracy fell, or would have fallen, the worst first:
    before and after. `undecided`: adopted, as the exam is too small to tell a loss from chance. Where it was
    a transplant, `to` names its network."""

    adopted: bool
    steps: int
    before: float | None
    after: float | None
    version: int
    losses: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    to: str | None = None
    undecided: bool = False

    @property
    def outcome(self) -> str:
        return "adopted" if self.adopted else "refused"

    def document(self) -> dict[str, Any]:
        """For the status, and the checkpoint; of many losses the worst."""
        losses = dict(list(self.losses.items())[:MOST_LOSSES])
        undecided = {"undecided": True} if self.undecided else {}
        return undecided | {
            "outcome": self.outcome,
            "before": self.before,
            "after": self.after,
            "losses": {name: {"before": then, "after": now} for name, (then, now) in losses.items()},
            "classes_losing": len(self.losses),
        }


SIGNIFICANCE = 0.05
"""Of the paired test on the exam: five right answers lost with none gained are not by chance."""
MOST_LOSSES = 20
"""Classes that a document names: it is kept in every checkpoint, and read by a person."""


def judged(
    before: ExamAccuracy,
    after: ExamAccuracy,
    *,
    tolerance: float,
    steps: int,
    name: Callable[[int], object],
    significance: float = SIGNIFICANCE,
) -> ConsolidationResult:
    """Adopted unless accuracy on the exam fell by more than the tolerance, and by more than chance takes: by
    a paired test at the level `significance` (1: the bare difference). `name` gives a class's label."""
    then, now = before.overall, after.overall
    fell = then is not None and now is not None and now < then - tolerance
    by_chance = bool(before.hits) and probability_of_losses(before.hits, after.hits) >= significance
    by_chance = by_chance and significance < 1
    too_small = then is not None and 0 < len(before.hits) < fewest_losses(significance)
    falls = {i: (was, after.by_class[i]) for i, was in before.by_class.items() if after.by_class[i] < was}
    worst = sorted(falls, key=lambda i: falls[i][1] - falls[i][0])
    return ConsolidationResult(
        adopted=not fell or by_chance,
        steps=steps,
        before=then,
        after=now,
        version=0,
        losses={str(name(i)): falls[i] for i in worst},
        undecided=too_small or (fell and by_chance),
    )


@dataclass(slots=True)
class Progress:
    """Counters that a restart must not lose. `version` is the adopted one, `newest` the highest ever;
    `rollbacks` are those to a version or to a checkpoint."""

    learned: int = 0
    withheld: int = 0
    period: int = 0
    version: int = 0
    newest: int = 0
    adopted: int = 0
    refused: int = 0
    rollbacks: int = 0

    def state(self) -> dict[str, int]:
        """As JSON. What 0.1.0 did not count is left out while it is 0."""
        counters = asdict(self)
        return counters if self.rollbacks else {n: c for n, c in counters.items() if n != "rollbacks"}

    def follow(self, *, newest: int, rollbacks: int) -> None:
        """So much was used up already, perhaps in a future that was abandoned."""
        self.newest, self.rollbacks = max(self.newest, newest), max(self.rollbacks, rollbacks)


ROUND_STEPS = 250
"""The most that a restart in a transplant repeats (MNIST, LeNet to MLP: 1 s)."""


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

    def end_round(self, *, steps: int) -> bool:
        """A round of so many steps has ended; True where another is due."""
        self.done += steps
        return self.done < self.steps

    def end(self, last_round: ConsolidationResult) -> ConsolidationResult:
        """The last round has ended; the result of the whole."""
        self.outcome = last_round.outcome
        self.before, self.after = last_round.before, last_round.after
        return replace(last_round, steps=self.steps, to=self.to)

    @property
    def left(self) -> int:
        """Steps of the rounds still to come, or under way."""
        return self.steps - self.done


@dataclass(slots=True)
class Consolidation:
    """A sleep, or a round of a transplant, under way; each item of `remaining` is one optimiser step.

    `start` is the candidate's state when it began: from it a restart re-runs the same `steps` (all chance
    follows from generators in it), so that an interruption changes nothing. `owed` of them are still to be
    re-run.
    """

    candidate: DualMemory
    remaining: Iterator[None]
    start: dict[str, Tensor]
    transplant: Transplant | None = None
    steps: int = 0
    owed: int = 0

    def rerun(self, steps: int) -> None:
        """At most so many of the steps owed. Where less is due than was taken (settings have changed), it is
        at its end."""
        for _ in range(min(steps, self.owed)):
            if next(self.remaining, self) is self:
                self.steps, self.owed = self.steps - self.owed, 0
                return
            self.owed -= 1

    @classmethod
    def begin(
        cls, method: DualMemory, candidate: DualMemory, *, transplant: Transplant | None, seed: int
    ) -> Consolidation:
        """A sleep of `method`, or the next round of the transplant. All random draws of a transplant follow
        from `seed`, its number and its round."""
        start = {name: tensor.clone() for name, tensor in candidate.state_dict().items()}
        if transplant is None:
            return cls(candidate, method.consolidate(candidate), start)
        round_seed = seed + (transplant.number << 40) + (transplant.done << 20)
        remaining = method.transplant(
            candidate,
            steps=min(ROUND_STEPS, transplant.left),
            remaining_steps=transplant.left,
            rate_factor=transplant.left / transplant.steps,
            generator=torch.Generator().manual_seed(round_seed),
        )
        return cls(candidate, remaining, start, transplant)

    def checked(self, result: ConsolidationResult) -> ConsolidationResult:
        """`result`, but refused where weights of what was taught, or a network's statistics, are not finite,
        which no exam forgives."""
        finite = not_finite(self.candidate.neocortex) is None
        return result if finite else replace(result, adopted=False, undecided=False)

    def transfer_to(self, method: DualMemory) -> None:
        """`method` takes over what the candidate was taught."""
        if self.transplant is None:
            method.adopt(self.candidate)
        else:
            method.switch(self.candidate.neocortex)

    @property
    def stored_bits(self) -> int:
        """Bits that a consolidation holds beside the memory itself: the candidate's copy, and `start`'s."""
        records = [tensor for name, tensor in self.start.items() if name.endswith(".records")]
        copied = sum(8 * tensor.numel() * tensor.element_size() for tensor in records)
        return copied + sum(self.candidate.stored_bits().values())
