"""What makes the daemon's figures or answers doubtful: named, and told with the setting to look at."""

from __future__ import annotations

import math

from streamlearner.learning.learner import Learner

FEW = 30
"""Exam examples below which retention is a rough figure: its steps are more than 3 %."""
SETTLED = 1_000
"""Learned examples before which nothing is doubted: it has only begun."""
REFUSALS = 3
"""Refused sleeps that are no accident, where fewer than one in four is adopted."""
DOUBTS = ("exam_small", "at_chance", "sleeps_refused")


def doubts(learner: Learner | None) -> dict[str, str]:
    """A sentence for each doubt that there is now, by its name in DOUBTS."""
    if learner is None or learner.progress.learned < SETTLED:
        return {}
    found = {"exam_small": _exam(learner), "at_chance": _chance(learner), "sleeps_refused": _sleeps(learner)}
    return {name: text for name, text in found.items() if text}


def _exam(learner: Learner) -> str:
    if (held := len(learner.exam)) >= FEW:
        return ""
    return (
        f"retention is measured on {held} examples only: raise exam.fraction, or exam.budget_bits where the "
        "exam is full"
    )


def _chance(learner: Learner) -> str:
    """By two standard errors, of the last measurement."""
    measured, held = learner.exam_accuracy, len(learner.exam)
    if measured is None or measured.overall is None or held < FEW or len(measured.by_class) < 2:
        return ""
    guessed = 1 / len(measured.by_class)
    if measured.overall > guessed + 2 * math.sqrt(guessed * (1 - guessed) / held):
        return ""
    return (
        f"retention is {measured.overall:.1%}, and guessing gives {guessed:.1%}: look at the labels, the "
        "scale of the inputs, method.learning_rate and memory.budget_bits"
    )


def _sleeps(learner: Learner) -> str:
    refused, adopted = learner.progress.refused, learner.progress.adopted
    if refused < REFUSALS or refused < REFUSALS * adopted:
        return ""
    return (
        f"{refused} sleeps were refused and {adopted} adopted: lower sleep.learning_rate or sleep.steps, or "
        "sleep less often"
    )
