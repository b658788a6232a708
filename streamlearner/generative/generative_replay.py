"""How many examples of each task a generative memory learns from: the paper's rule of deep generative replay.

After Kamra, Gupta and Liu, "Deep Generative Dual Memory Network for Continual Learning" (paper 001), section
3.1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Shares:
    """Examples to learn from: `incoming` of each new task, kept of those that came, and `generated` of the
    tasks known before, all together."""

    incoming: dict[int, int]
    generated: int

    @property
    def total(self) -> int:
        return sum(self.incoming.values()) + self.generated


def task_numbers(
    labels: Tensor, tasks: Tensor | None, *, task_from: Literal["label", "period"], period: Tensor
) -> Tensor:
    """The task of each example, [n] int64, of its class index and its named task [n] (-1 or None: none): even
    numbers are named tasks; odd ones stand in where none is, by the label or by the period between sleeps."""
    own = labels if task_from == "label" else period.expand(len(labels))
    if tasks is None:
        return 2 * own + 1
    return torch.where(tasks >= 0, 2 * tasks, 2 * own + 1)


def shares(
    incoming: Mapping[int, int],
    *,
    met: Mapping[int, int],
    known: Mapping[int, int],
    kappa: float,
    capacity: int,
) -> Shares:
    """The rule. `incoming`: examples at hand of each new task. `met`, `known`: how many times each new task,
    each task learned before, was met (repetitions count). `kappa`: the least share of `capacity`, N_max, that
    each new task gets.

    The fraction of the new is their part of all meetings; it is raised, where that is less, to kappa for each
    new task, and to 1 at most. The examples that came are all kept where they and what the fraction then asks
    to be generated fit the capacity; else there are as many in total as the capacity, and the new are
    subsampled, each task in proportion to its meetings.

    Raises ValueError for a kappa outside [0, 1], a capacity below 1, or no new task.
    """
    if not incoming or not 0.0 <= kappa <= 1.0 or capacity < 1:
        raise ValueError(
            f"{len(incoming)} new tasks, kappa {kappa}, capacity {capacity}: expected at least one, "
            "0 to 1, at least 1"
        )
    new_meetings = sum(met[task] for task in incoming)
    old_meetings = sum(known.values())
    fraction = new_meetings / (new_meetings + old_meetings)
    fraction = min(1.0, max(fraction, kappa * len(incoming)))
    at_hand = sum(incoming.values())
    if not old_meetings:
        return Shares(_kept(incoming, met, most=capacity), 0)
    total = min(capacity, round(at_hand / fraction))
    share = max(min(len(incoming), capacity), round(fraction * total))
    kept = _kept(incoming, met, most=min(at_hand, share))
    wanted = round(sum(kept.values()) * (1.0 - fraction) / fraction)
    return Shares(kept, max(0, min(wanted, capacity - sum(kept.values()))))


def _kept(incoming: Mapping[int, int], met: Mapping[int, int], *, most: int) -> dict[int, int]:
    """Examples kept of each task: all, where `most` allows; else in proportion to meetings, a task that has
    fewer leaving its rest to the others."""
    kept = dict.fromkeys(incoming, 0)
    left = min(most, sum(incoming.values()))
    while left:
        hungry = [task for task, count in incoming.items() if kept[task] < count]
        meetings = sum(met[task] for task in hungry)
        given = 0
        for task in hungry:
            portion = min(incoming[task] - kept[task], left * met[task] // meetings)
            kept[task] += portion
            given += portion
        if not given:  # fewer are left than tasks: one each, in order
            for task in hungry[:left]:
                kept[task] += 1
            break
        left -= given
    return kept
