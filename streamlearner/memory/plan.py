"""A plan of the memory: what a budget in bits holds, and the code that it holds it in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple


@dataclass(frozen=True, kw_only=True)
class Coding:
    """The size of a code: `code_bits`, or for gumbel `variables` (c) of `levels` (l). 0: not one of its
    settings."""

    association: str
    code_bits: int = 0
    variables: int = 0
    levels: int = 0

    def settings(self) -> dict[str, Any]:
        """As in config.yaml."""
        named: dict[str, Any] = {"association.name": self.association}
        for key in ("code_bits", "variables", "levels"):
            if getattr(self, key):
                named[f"association.{key}"] = getattr(self, key)
        return named


class Measured(NamedTuple):
    """Of an association of a certain coding, before it has learned: levels of each symbol, and its bits."""

    radices: tuple[int, ...]
    parameter_bits: int


Measure = Callable[[Coding], Measured]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a memory of `budget_bits` holds; all amounts in bits.

    `code_bits` is one code in the memory, `simple_binary_bits` the paper's S_sbe (eq. 1), `capacity_bits` its
    C_ve (eq. 2). A record is code, label and task. `stored_bits` and `memory_budget_bits` are of the memory
    alone; `parameter_bits` of the association, inside the budget if `counts_parameters`. `examples` (N),
    `stored_fraction` (rho) and `bits_per_example` are None where the length of the stream was not given.

    `statistics_bits` are what statistics of the classes keep of the budget, beside recollections.

    `stored_bits` are those of a checkpoint; in the process up to 0.5 % more, inside the same budget. All is
    as the association begins: fitted to the stream, its tables change, and its codes may be shorter.
    """

    budget_bits: int
    counts_parameters: bool
    association: str
    settings: dict[str, Any]
    code_bits: int
    simple_binary_bits: int
    capacity_bits: float
    label_bits: int
    task_bits: int
    record_bits: int
    recollections: int
    stored_bits: int
    memory_budget_bits: int
    parameter_bits: int
    raw_bits: int
    raw_examples: int
    statistics_bits: int = 0
    examples: int | None = None
    stored_fraction: float | None = None
    bits_per_example: float | None = None
