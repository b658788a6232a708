"""Teaches a network, of any architecture, from recollections and a teacher's answers to them.

After Riemer et al., 2018 (paper 003), section 5.1 and Tables 1 and 2: knowledge passes to a student through
the codes that were remembered, and no real input is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor
from torch.nn import functional as F

from streamlearner.networks.base import Network, descend

Draw: TypeAlias = Callable[[int], tuple[Tensor, Tensor]]
"""`draw(n)`: n recollections float32 [n, *input_shape], drawn independently, and the teacher's probabilities
for them, float32 [n, rows]."""


class Lesson(NamedTuple):
    """Recollections [n, *input_shape] with the answers that the student is to give, [n, rows]."""

    inputs: Tensor
    targets: Tensor


def teach(
    student: Network,
    *,
    draw: Draw,
    steps: int,
    batch_size: int,
    learning_rate: float,
    candidates: int = 1,
) -> Iterator[None]:
    """One optimiser step of `batch_size` recollections for each `yield`, and `steps` of them.

    The loss is the cross-entropy to the teacher's probabilities (Hinton et al., 2015, at temperature 1); the
    step size falls from `learning_rate` to 0 in a straight line. `candidates` k > 1 is the paper's active
    sampling: of k recollections drawn the student learns the one that it finds hardest, by forward passes.
    The student's head grows to the targets' rows; rows that the targets lack stay as they are, as classes
    that nobody has met yet. Nothing but the student changes, chance enters by `draw` alone, and nothing is
    kept but the step's number: the same draws end in the same bits.

    Raises ValueError for fewer than 1 step, recollection or candidate, or a step size that is not above 0.
    """
    if min(steps, batch_size, candidates) < 1 or learning_rate <= 0.0:
        raise ValueError(
            f"steps {steps}, batch_size {batch_size}, candidates {candidates}, "
            f"learning_rate {learning_rate}: expected >= 1, >= 1, >= 1, > 0"
        )
    return _steps(
        student,
        draw=draw,
        steps=steps,
        batch_size=batch_size,
        learning_rate=learning_rate,
        candidates=candidates,
    )


def _steps(
    student: Network, *, draw: Draw, steps: int, batch_size: int, learning_rate: float, candidates: int
) -> Iterator[None]:
    for step in range(steps):
        lesson = Lesson(*draw(batch_size * candidates))
        student.head.grow(lesson.targets.shape[1])
        if candidates > 1:
            lesson = _hardest(student, lesson, of=candidates)
        loss = _divergence(student.train(), lesson).mean()
        loss.backward()  # type: ignore[no-untyped-call]
        descend(student, learning_rate=learning_rate * (1 - step / steps), loss=float(loss.detach()))
        yield


@torch.no_grad()
def _hardest(student: Network, lesson: Lesson, *, of: int) -> Lesson:
    """Of every `of` recollections in a row the one with the largest loss: [n * of] to [n]."""
    loss = _divergence(student.eval(), lesson).view(-1, of)
    chosen = loss.argmax(1) + torch.arange(len(loss), device=loss.device) * of
    return Lesson(lesson.inputs[chosen], lesson.targets[chosen])


def _divergence(student: Network, lesson: Lesson) -> Tensor:
    """Cross-entropy of the student's answers to the teacher's, [n]."""
    logits = student(lesson.inputs)[:, : lesson.targets.shape[1]]
    return F.cross_entropy(logits, lesson.targets, reduction="none")
