"""What makes the daemon's figures or answers doubtful: named, and told with the setting to look at."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from streamlearner.learning.evaluating import COMPARED
from streamlearner.learning.learner import Learner

FEW = 30
"""Exam examples below which retention is a rough figure: its steps are more than 3 %."""
BEGUN = 3_000
"""Learned examples before which nothing is doubted but the answers along the stream. By default 2 % of them
are withheld: twice `FEW`."""
ALONG = 1_000
"""Learned examples before which these are not doubted, either."""
REFUSALS = 3
"""Refused sleeps that are no accident, where at most one in four is adopted."""

REFUSING = 0.2
"""Share of batches with refused steps that is no matter of single absurd examples."""
DIVERGED = "diverged"


def doubts(learner: Learner | None) -> dict[str, str]:
    """A sentence for each doubt that there is now, by name."""
    if learner is None or learner.progress.learned < ALONG:
        return {}
    begun = DOUBTS if learner.progress.learned >= BEGUN else {"no_change": _no_change}
    return {name: text for name, doubted in begun.items() if (text := doubted(learner))}


def diverged(*, weight: str | None, answers: bool, refusing: float) -> dict[str, str]:
    """The doubt, if any, about a model that has diverged, from the first example on: `weight` names one that
    is not finite, `answers` are not, or `refusing`, the share of the last batches with steps that were not
    taken, is high."""
    found = [
        *(["the model gives no finite answer"] if answers else []),
        *([f"{weight} is not finite, and no checkpoint is saved"] if weight is not None else []),
        *(
            [f"{refusing:.0%} of the last batches had steps that were not taken"]
            if refusing >= REFUSING
            else []
        ),
    ]
    if not found:
        return {}
    return {
        DIVERGED: f"{'; '.join(found)}: roll back, and lower method.learning_rate or mend the scale of inputs"
    }


def _exam(learner: Learner) -> str:
    if (held := len(learner.exam)) >= FEW:
        return ""
    return (
        f"retention is measured on {held} examples only: raise exam.fraction, or where the exam is full "
        "exam.budget_bits (or set exam.image_bytes: large images then take less)"
    )


def _chance(learner: Learner) -> str:
    """By two standard errors, of the last measurement."""
    measured = learner.exam_accuracy
    if measured is None or measured.overall is None or len(measured.by_class) < 2:
        return ""
    guessed, graded = 1 / len(measured.by_class), len(measured.hits)
    if graded < FEW or measured.overall > guessed + 2 * _standard_error(guessed, graded):
        return ""
    return (
        f"retention is {measured.overall:.1%}, and guessing gives {guessed:.1%}: look at the labels, the "
        "scale of the inputs, method.learning_rate and memory.budget_bits"
    )


def _class_means(learner: Learner) -> str:
    """By two standard errors of the difference, of the last measurement: of the examples that it graded, not
    of those that were withheld since; means were asked of a part of them."""
    measured = learner.exam_accuracy
    if measured is None or measured.class_means is None or (graded := len(measured.hits)) < FEW:
        return ""
    means, answered, asked = measured.class_means, sum(measured.hits) / graded, min(graded, COMPARED)
    spreads = _standard_error((means * asked + 1) / (asked + 2), asked), _standard_error(answered, graded)
    if answered >= means - 2 * math.hypot(*spreads):
        return ""
    return (
        f"{answered:.1%} of the exam is answered right, and the mean of each class has {means:.1%}: look at "
        "method.learning_rate, or use method: streaming_statistics"
    )


def _standard_error(rate: float, examples: int) -> float:
    """Of a share of so many."""
    return math.sqrt(rate * (1 - rate) / examples)


def _no_change(learner: Learner) -> str:
    """By two standard errors of the difference, over the last full window."""
    answered, repeated, window = learner.prequential, learner.no_change, learner.prequential.window
    if not (answered.is_full and repeated.is_full) or answered.accuracy is None or repeated.accuracy is None:
        return ""
    spread = sum(rate * (1 - rate) for rate in (answered.accuracy, repeated.accuracy))
    if answered.accuracy > repeated.accuracy + 2 * math.sqrt(spread / window):
        return ""
    return (
        f"{answered.accuracy:.1%} of the last {window:,} examples were answered right before they were "
        f"learned, and {repeated.accuracy:.1%} had the label of the one before: in such an order judge by "
        "retention; if that is low, too, look at method.learning_rate and daemon.batch_size"
    )


def _codes(learner: Learner) -> str:
    measured = learner.exam_accuracy
    if measured is None or len(learner.exam) < FEW or (measured.code_error or 0.0) <= 1:
        return ""
    return (
        f"a recollection's squared error is {measured.code_error:.2f} of that of the mean of its class: "
        "raise association.code_bits or memory.budget_bits, or choose another association"
    )


def _sleeps(learner: Learner) -> str:
    refused, adopted = learner.progress.refused, learner.progress.adopted
    if refused < REFUSALS or refused < REFUSALS * adopted:
        return ""
    return (
        f"{refused} sleeps were refused and {adopted} adopted: lower sleep.learning_rate or sleep.steps, or "
        "sleep less often"
    )


DOUBTS: Mapping[str, Callable[[Learner], str]] = {
    "exam_small": _exam, "at_chance": _chance, "below_class_means": _class_means, "no_change": _no_change,
    "poor_codes": _codes, "sleeps_refused": _sleeps,
}  # fmt: skip
"""Each tells what is doubtful, or nothing."""
