"""Deep generative replay: how many examples of each task a generative memory learns from.

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
class ReplayCounts:
    """Examples to learn from: by new task how many of the `incoming` ones, and how many `generated` ones of
    all tasks learned before together."""

    incoming: dict[int, int]
    generated: int

    @property
    def total(self) -> int:
        return sum(self.incoming.values()) + self.generated


def task_numbers(
    labels: Tensor, tasks: Tensor | None, *, task_from: Literal["label", "period"], period: Tensor
) -> Tensor:
    """The task of each example, int64 [n], from class indices `labels` [n] and named `tasks` [n] (-1 or None:
    none). Even numbers are named tasks; odd ones stand in for them where none is named, one for each label or
    for each period between sleeps."""
    own = labels if task_from == "label" else period.expand(len(labels))
    if tasks is None:
        return 2 * own + 1
    return torch.where(tasks >= 0, 2 * tasks, 2 * own + 1)


def replay_counts(
    incoming: Mapping[int, int],
    *,
    met: Mapping[int, int],
    known: Mapping[int, int],
    kappa: float,
    capacity: int,
) -> ReplayCounts:
    """The rule of paper 001, section 3.1. `incoming`: available examples of each new task. `met`, `known`:
    how many times each new task, and each task learned before, was encountered (repetitions count).
    `capacity`: N_max. `kappa`: the least fraction of all examples that each new task gets.

    The fraction of new examples is that of the new tasks in all encounters, but at least kappa for each new
    task, and at most 1. All available examples are kept where they and the generated ones that the fraction
    asks for fit the capacity; else the total is the capacity, and new examples are subsampled, each task in
    proportion to its encounters.

    Raises ValueError for a kappa outside [0, 1], a capacity below 1, or no new task.
    """
    if not incoming or not 0.0 <= kappa <= 1.0 or capacity < 1:
        raise ValueError(
            f"{len(incoming)} new tasks, kappa {kappa}, capacity {capacity}: expected at least one, "
            "0 to 1, at least 1"
        )
    new_encounters = sum(met[task] for task in incoming)
    old_encounters = sum(known.values())
    fraction = new_encounters / (new_encounters + old_encounters)
    fraction = min(1.0, max(fraction, kappa * len(incoming)))
    available = sum(incoming.values())
    if not old_encounters:
        return ReplayCounts(_kept(incoming, met, most=capacity), 0)
    total = min(capacity, round(available / fraction))
    kept_count = max(min(len(incoming), capacity), round(fraction * total))
    kept = _kept(incoming, met, most=min(available, kept_count))
    wanted = round(sum(kept.values()) * (1.0 - fraction) / fraction)
    return ReplayCounts(kept, max(0, min(wanted, capacity - sum(kept.values()))))


def _kept(incoming: Mapping[int, int], met: Mapping[int, int], *, most: int) -> dict[int, int]:
    """Examples kept of each task, `most` in all: in proportion to encounters; what a task has too few for
    goes to the others."""
    kept = dict.fromkeys(incoming, 0)
    left = min(most, sum(incoming.values()))
    while left:
        unfilled = [task for task, count in incoming.items() if kept[task] < count]
        encounters = sum(met[task] for task in unfilled)
        given = 0
        for task in unfilled:
            portion = min(incoming[task] - kept[task], left * met[task] // encounters)
            kept[task] += portion
            given += portion
        if not given:  # fewer are left than tasks: one each, in order
            for task in unfilled[:left]:
                kept[task] += 1
            break
        left -= given
    return kept
