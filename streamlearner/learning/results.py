"""What learning and consolidation return, and when what a sleep taught is adopted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from streamlearner.evaluation.paired_test import fewest_losses, probability_of_losses
from streamlearner.evaluation.retention import ExamAccuracy
from streamlearner.learning.served_accuracy import Fall
from streamlearner.methods.base import Observation
from streamlearner.methods.code_choice import CodeChoice


@dataclass(frozen=True, slots=True)
class LearningResult:
    """What became of one batch: how many examples were withheld for the exam, how many learned, what the
    method returned, where served accuracy fell, how many missing numbers were filled, which `code` was
    chosen in place of one that was refused, and how many of the learned got no optimiser step."""

    withheld: int
    learned: int
    observation: Observation | None
    falls: Sequence[Fall] = ()
    filled: int = 0
    code: CodeChoice | None = None
    without_steps: int = 0


@dataclass(frozen=True, slots=True)
class ConsolidationResult:
    """How a consolidation ended: `adopted` or refused, accuracy on the exam before and after, the version
    that answers now. `losses` are the classes whose accuracy fell, or would have fallen, the worst first:
    before and after. `undecided`: adopted, as the exam is too small to tell a loss from chance. Where it was
    a transplant, `to` names its network; `fresh`: it is for forgetting. `failed` says why it could not be
    taught to its end, in which case it is refused."""

    adopted: bool
    steps: int
    before: float | None
    after: float | None
    version: int
    losses: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    to: str | None = None
    undecided: bool = False
    fresh: bool = False
    failed: str | None = None

    @property
    def outcome(self) -> str:
        return "adopted" if self.adopted else "refused"

    def document(self) -> dict[str, Any]:
        """For the status, and the checkpoint; of many losses the worst."""
        losses = dict(list(self.losses.items())[:MOST_LOSSES])
        noted: dict[str, Any] = {"undecided": True} if self.undecided else {}
        noted |= {"failed": self.failed} if self.failed else {}
        return noted | {
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
