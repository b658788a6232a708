"""What a method is given to learn, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, slots=True)
class Experience:
    """One batch to learn, as a method sees it.

    `inputs` [n, C, H, W] uint8 or [n, d] float32, n >= 1, raw; `labels` [n] int64 class indices (a new class
    has the next free index); `tasks` [n] int64 task indices, -1 where a message names none, or None where no
    message of the stream does; `changing`: served accuracy fell a short while ago, so that it may be worth
    learning faster.
    """

    inputs: Tensor
    labels: Tensor
    tasks: Tensor | None = None
    changing: bool = False


@dataclass(frozen=True, slots=True)
class Observation:
    """What `observe` returns: `predicted` [n] int64 class indices, predicted *before* learning (prequential);
    the mean `loss` of the batch; `distortion_l1`, the mean absolute error of decoded codes of the new inputs,
    where it was measured; and `changed`, whether the batch showed that labels changed their meaning."""

    predicted: Tensor
    loss: float
    distortion_l1: float | None = None
    changed: bool = False
