"""What the recollection tests share: memories whose records tell who they are, and what is fair."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from streamlearner.memory.records import Recollections
from streamlearner.memory.reservoir import RecollectionMemory

SIZE = 16
"""Symbols of the codes below: an example's number in binary, so that every record tells who it is."""

FAIR = 1e-4
"""Least p-value of a fair memory; with fixed seeds, a false alarm can only come with a change of the code."""


def chance(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def memory_for(records: int, seed: int = 0, *, label_bits: int = 1, task_bits: int = 0) -> RecollectionMemory:
    budget_bits = -(-records * (SIZE + label_bits + task_bits) // 8) * 8
    return RecollectionMemory(budget_bits=budget_bits, radices=(2,) * SIZE, generator=chance(seed))


def codes(numbers: Tensor) -> Tensor:
    return (numbers[:, None] >> torch.arange(SIZE)) & 1


def numbers_of(held: Recollections) -> list[int]:
    return (held.symbols[:, :SIZE] << torch.arange(SIZE)).sum(1).tolist()


def show(
    memory: RecollectionMemory, first: int, stop: int, *, label: Callable[[Tensor], Tensor] = torch.zeros_like
) -> None:
    """Inserts the examples `first` to `stop` - 1 in batches of 7."""
    for numbers in torch.arange(first, stop).split(7):
        memory.insert(codes(numbers), label(numbers))


def p_of_uniform(counts: np.ndarray, expected: float) -> float:
    """Chi-square test that each count has the same expectation, as p-value."""
    statistic = torch.tensor(((counts - expected) ** 2 / expected).sum())
    return float(torch.special.gammaincc(torch.tensor((len(counts) - 1) / 2), statistic.float() / 2))


def p_fair(run: Callable[[int], RecollectionMemory], population: int, runs: int = 700) -> float:
    """The p-value that all of `population` examples are equally likely to be held after `run(seed)`."""
    counts, held = np.zeros(population), 0
    for seed in range(runs):
        found = numbers_of(run(seed).contents())
        assert len(set(found)) == len(found)
        counts[found] += 1
        held += len(found)
    return p_of_uniform(counts, held / population)
