"""Refuses codes that are worse recollections than the mean of each class, and chooses others."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch

from streamlearner.associations.contract import Association
from streamlearner.methods.remembering import Remembering

WORST = 1.0
"""Squared error of a recollection, in units of that of the mean of its class."""
BETTER = 0.5
"""Where nothing is good, a fresh fit of at most this times the present error is worth recoding all."""
LEAST_KEPT, LEAST_OF_A_CLASS = 20, 2
"""Records that memory must have room for, in all and for each class, before codes are made longer."""

CodeError = Callable[[Association], float | None]
"""The squared error of an association's codes on a sample that it never saw, over that of class means."""


@dataclass(frozen=True, slots=True)
class CodeChoice:
    """Codes were refused at the error `before`; `after`: that of those chosen. `code_bits` before and after;
    `recollections` that memory holds now."""

    before: float
    after: float
    code_bits: tuple[int, int]
    recollections: int

    def __str__(self) -> str:
        was, now = self.code_bits
        return (
            f"codes of {was} bits are refused, as their squared error is {self.before:.2f} of that of the "
            f"mean of each class: from now on codes of {now} bits ({self.after:.2f}), of which memory now "
            f"holds {self.recollections}; raise memory.budget_bits to hold more"
        )

    def document(self) -> dict[str, Any]:
        """For the memory's document, and the checkpoint."""
        bits = {"before": self.code_bits[0], "after": self.code_bits[1]}
        return {"error": {"before": self.before, "after": self.after}, "code_bits": bits}


@torch.no_grad()
def refuse_poor_codes(method: Remembering, error: CodeError) -> CodeChoice | None:
    """Of a fresh fit and ever longer codes the first that is no worse than class means is used from now on,
    and what is remembered is recoded; a fresh fit also where it is merely better. None: codes stay, good or
    without a better one."""
    present = method.association
    before = error(present)
    if before is None or before <= WORST:
        return None
    fallback: tuple[Association, float] | None = None
    for number, other in enumerate(_others(method)):
        if (after := error(other)) is None:
            continue
        if after <= WORST:
            return _chosen(method, other, before=before, after=after)
        if number == 0 and after < BETTER * before:
            fallback = (other, after)
    return _chosen(method, fallback[0], before=before, after=fallback[1]) if fallback else None


def _chosen(method: Remembering, other: Association, *, before: float, after: float) -> CodeChoice:
    bits = (round(_bits_of(method.association)), round(_bits_of(other)))
    method.recode(other)
    return CodeChoice(before, after, bits, method.remembered)


def _others(method: Remembering) -> Iterator[Association]:
    """A fresh fit first, then longer codes, while memory holds enough of them."""
    present, memory = method.association, method.memory
    fields = memory.record_bits - _bits_of(present)
    kept = max(LEAST_KEPT, LEAST_OF_A_CLASS * method.classes)
    most = memory.budget_bits // kept - fields
    if (other := present.refitted()) is not None:
        yield other
    longer = present.lengthened(most)
    while longer is not None:
        yield longer
        longer = longer.lengthened(most)


def _bits_of(association: Association) -> float:
    return math.fsum(map(math.log2, association.radices))
