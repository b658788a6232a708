"""Distillation: trains a network of any architecture on recollections and a teacher's answers to them.

After Riemer et al., 2018 (paper 003), section 5.1 and Tables 1 and 2: knowledge is transferred to a student
through remembered codes; no real input is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

from torch import Tensor
from torch.nn import functional as F

from streamlearner.networks.base import Network, sgd_step

DrawTargets: TypeAlias = Callable[[int], tuple[Tensor, Tensor]]
"""`draw(n)`: n recollections float32 [n, *input_shape], drawn independently, and the teacher's probabilities
for them, float32 [n, classes]."""


def distill(
    student: Network, *, draw: DrawTargets, steps: int, batch_size: int, learning_rate: float
) -> Iterator[None]:
    """Takes `steps` SGD steps, each on `batch_size` recollections; each `yield` is one step.

    The loss is the cross-entropy to the teacher's probabilities (Hinton et al., 2015, at temperature 1). The
    learning rate falls linearly from `learning_rate` to 0. The student's head grows to the classes of the
    targets; rows beyond them do not change, like those of classes not seen yet. Only the student changes, all
    random draws are those of `draw`, and the only other state is the number of the step: the same draws give
    the same bits.

    Raises ValueError, before the first step, for fewer than 1 step or recollection, or a learning rate that
    is not above 0.
    """
    if min(steps, batch_size) < 1 or learning_rate <= 0.0:
        raise ValueError(
            f"steps {steps}, batch_size {batch_size}, learning_rate {learning_rate}: expected >= 1, >= 1, > 0"
        )
    return _steps(student, draw=draw, steps=steps, batch_size=batch_size, learning_rate=learning_rate)


def _steps(
    student: Network, *, draw: DrawTargets, steps: int, batch_size: int, learning_rate: float
) -> Iterator[None]:
    for step in range(steps):
        inputs, targets = draw(batch_size)
        loss = distillation_loss(student.train(), inputs, targets).mean()
        loss.backward()  # type: ignore[no-untyped-call]
        sgd_step(student, learning_rate=learning_rate * (1 - step / steps), loss=float(loss.detach()))
        yield


def distillation_loss(student: Network, inputs: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy [n] of the student's answers to `inputs` [n, *input_shape] with `targets`, probabilities
    [n, classes]; its head grows to them."""
    student.head.grow(targets.shape[1])
    return F.cross_entropy(student(inputs)[:, : targets.shape[1]], targets, reduction="none")
