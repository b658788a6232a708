"""The planner: from a budget in bits to the size of a code, how many are kept, and of how much of the stream.

Riemer et al., 2018 (paper 003), section 3: of all codes of c variables of l levels, take the one of largest
capacity C_ve = c log2 l (eq. 2) for which what is stored stays within the budget, without the parameters of
the association (eq. 3, incremental) or with them (eq. 4, total). How many recollections to keep, the paper's
rho, is left open there; here it is the caller's, or follows from a code size that experiments showed good.

Differs: a code costs what it takes in the memory, mixed radix and with its label and task, not S_sbe alone;
eq. (4) adds parameters to bits for each example, here they are counted once for all.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from streamlearner.errors import ConfigError
from streamlearner.memory.code_size import association_for, code_bits_for, feature_bits_for, is_image
from streamlearner.memory.packing import Packing
from streamlearner.memory.plan import Coding, Measure, Measured, Plan

LEVELS = (2, 3, 4)
"""Worth a try for each variable: l / log2 l, the layers' width for a bit of capacity, is 2, 1.89, 2, and more
for more. Where parameters do not count, 2 is best: its codes have every length."""
KEPT_SHARE, KEPT = 10, 5_000
"""The paper's runs on CIFAR-100 keep 4,000 to 5,100 codes of 50,000 examples: one in ten (appendix A.4)."""
LEAST_GUMBEL_BITS, MOST_GUMBEL_SHARE = 38, 20
"""The paper's shortest code, and its longest as a share of the raw input: 620 x 2 of 24,576 bits."""


@dataclass(frozen=True, kw_only=True)
class Planner:
    """Inputs of one shape, labels and tasks of so many kinds, and a budget. `measure` builds associations;
    `statistics` tells how much of a budget statistics of the classes keep."""

    budget_bits: int
    input_shape: tuple[int, ...]
    measure: Measure
    statistics: Callable[[int], int] = lambda budget_bits: 0
    classes: int = 10
    tasks: int = 0
    counts_parameters: bool = False

    @property
    def raw_bits(self) -> int:
        """Of one raw input: a byte for each value of an image, a float32 for each feature."""
        return math.prod(self.input_shape) * (8 if is_image(self.input_shape) else 32)

    @property
    def fields(self) -> tuple[int, int]:
        """Widths of label and task, once all are known: the memory widens them as new ones come."""
        return max(1, (self.classes - 1).bit_length()), self.tasks.bit_length()

    def plan(
        self,
        association: str = "auto",
        *,
        recollections: int | None = None,
        code_bits: int | None = None,
        examples: int | None = None,
    ) -> Plan:
        """The plan for an `association` by name. `recollections`: keep that many, in codes as long as then
        fit; else `code_bits`, or by default a code size that experiments showed good. `examples`: N, the
        length of the stream.

        Raises ConfigError, with the least budget that works, where this one holds too little.
        """
        name = association_for(association, input_shape=self.input_shape)
        if recollections is not None and name != "raw":
            coding = self._longest(name, recollections, most=self.raw_bits) or _sized(name, 1)
        elif code_bits is not None or name == "raw":
            coding = _sized(name, code_bits or 0)
        else:
            coding = self._by_experience(name, examples)
            if association == "auto" and self.counts_parameters and self._room(self.measure(coding)) < 1:
                coding = self._by_experience("transform", examples)  # of the fewest parameters
        return self._told(coding, examples=examples, least=recollections or 1)

    def _told(self, coding: Coding, *, examples: int | None, least: int) -> Plan:
        measured = self.measure(coding)
        record, held = self._record_bits(measured), self._room(measured)
        if held < least:
            raise ConfigError(self._too_small(measured, least))
        label, task = self.fields
        left = self.budget_bits - self._parameters(measured)
        return Plan(
            budget_bits=self.budget_bits,
            counts_parameters=self.counts_parameters,
            association=coding.association,
            settings={"memory.budget_bits": left, **coding.settings()},
            code_bits=record - label - task,
            simple_binary_bits=sum((radix - 1).bit_length() for radix in measured.radices),
            capacity_bits=capacity_bits(measured.radices),
            label_bits=label,
            task_bits=task,
            record_bits=record,
            recollections=held,
            stored_bits=whole_bytes(held * record),
            memory_budget_bits=left,
            statistics_bits=self.statistics(left),
            parameter_bits=measured.parameter_bits,
            raw_bits=self.raw_bits,
            raw_examples=self.budget_bits // 8 * 8 // (self.raw_bits + label + task),
            examples=examples,
            stored_fraction=min(1.0, held / examples) if examples else None,
            bits_per_example=self.budget_bits / examples if examples else None,
        )

    def _by_experience(self, name: str, examples: int | None) -> Coding:
        """A code size that experiments showed good; where parameters count, shortened until those leave half
        of the budget."""
        if name == "gumbel":
            return self._of_the_paper(KEPT if examples is None else max(1, examples // KEPT_SHARE))
        bits = code_bits_for(name, input_shape=self.input_shape, budget_bits=self.budget_bits)
        if not is_image(self.input_shape):
            bits = min(bits, self._of_vectors(examples))
        if not self.counts_parameters:
            return _sized(name, bits)
        half = replace(self, budget_bits=self.budget_bits // 2)
        return half._longest(name, 0, most=bits) or _sized(name, bits)

    def _of_vectors(self, examples: int | None) -> int:
        """What retains most of a long stream; as much as there is room for of a short one."""
        room = self.budget_bits - self.statistics(self.budget_bits)
        balanced = feature_bits_for(values=math.prod(self.input_shape), room_bits=room, classes=self.classes)
        return max(balanced, room // examples - sum(self.fields)) if examples else balanced

    def _of_the_paper(self, kept: int) -> Coding:
        """As many codes as the paper kept, of the lengths that it tried; where parameters count, also of
        fewer bits."""
        most = self.raw_bits // MOST_GUMBEL_SHARE
        if self.counts_parameters:
            return self._longest("gumbel", kept, most=most) or _sized("gumbel", LEAST_GUMBEL_BITS)
        bits = self.budget_bits // kept - sum(self.fields)
        return _sized("gumbel", max(LEAST_GUMBEL_BITS, min(bits, most)))

    def _longest(self, name: str, kept: int, *, most: int) -> Coding | None:
        """Eq. (3), or (4) where parameters count: of all codings of which `kept` fit the one of largest
        capacity, then of fewest parameters; None where none fits. `most`: bits of a code."""
        tried = LEVELS if name == "gumbel" and self.counts_parameters else (2,)
        found = [self._largest(name, kept, levels=levels, most=most) for levels in tried]
        return max((coding for coding in found if coding), key=self._rank, default=None)

    def _largest(self, name: str, kept: int, *, levels: int, most: int) -> Coding | None:
        """By bisection: a longer code never takes less."""
        most = min(most, self.budget_bits // max(1, kept))
        fits, too_large = 0, int(most / math.log2(levels)) + 1
        while too_large - fits > 1:
            size = (fits + too_large) // 2
            if self._room(self.measure(_sized(name, size, levels=levels))) >= kept:
                fits = size
            else:
                too_large = size
        return _sized(name, fits, levels=levels) if fits else None

    def _rank(self, coding: Coding) -> tuple[float, int]:
        measured = self.measure(coding)
        return capacity_bits(measured.radices), -measured.parameter_bits

    def _record_bits(self, measured: Measured) -> int:
        return Packing(measured.radices, self.fields).record_bits

    def _parameters(self, measured: Measured) -> int:
        return measured.parameter_bits if self.counts_parameters else 0

    def _room(self, measured: Measured) -> int:
        """Records that fit, as the memory counts: in whole bytes. Below 0 where parameters leave nothing."""
        left = self.budget_bits - self._parameters(measured)
        return (left - self.statistics(left)) // 8 * 8 // self._record_bits(measured)

    def _too_small(self, measured: Measured, kept: int) -> str:
        record, theirs = self._record_bits(measured), self._parameters(measured)
        wanted = "one recollection" if kept == 1 else f"{kept:,} recollections"
        counted = f" beside {theirs:,} bits of the association's parameters" if theirs else ""
        least = self._least_memory(kept * record) + whole_bytes(theirs)
        return (
            f"a budget of {self.budget_bits:,} bits does not hold {wanted} of {record:,} bits{counted}: the "
            f"least that works is {least:,} bits"
        )

    def _least_memory(self, bits: int) -> int:
        """The least memory.budget_bits that leaves so many beside statistics, which keep more of more."""
        least = whole_bytes(bits)
        while least - self.statistics(least) < bits:
            least = whole_bytes(bits + self.statistics(least))
        return least


def capacity_bits(radices: Sequence[int]) -> float:
    """C_ve of a code, eq. (2): the information that its symbols of so many levels can hold."""
    return math.fsum(map(math.log2, radices))


def whole_bytes(bits: int) -> int:
    """Bits of as many bytes as `bits` take."""
    return -(-bits // 8) * 8


def _sized(association: str, size: int, *, levels: int = 2) -> Coding:
    """A code of `size` bits; for gumbel of as many variables of `levels` values. Raw codes have one size."""
    if association == "raw":
        return Coding(association=association)
    if association == "gumbel":
        return Coding(association=association, variables=size, levels=levels)
    return Coding(association=association, code_bits=size)
