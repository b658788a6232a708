"""Rows of several seeds summed up: mean and spread of each metric, by arm and budget."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from streamlearner.bench.kit.results import Row

RETENTION = "accuracy"
"""The metric that the plots show and the pivot tables start with."""


@dataclass(frozen=True, slots=True)
class Summary:
    """One metric of an arm under a budget, over its seeds.

    `spread` is the sample standard deviation (None for a single seed). Bits, seconds and examples/s are
    means. `examples` is the length of the stream where only a part of it was learned, else None.
    """

    arm: str
    budget_bits: int
    metric: str
    values: tuple[float, ...]
    mean: float
    spread: float | None
    paper: float | None
    stored_bits: float
    parameter_bits: float
    seconds: float
    examples_per_s: float
    examples: int | None = None


def summarise(rows: Iterable[Row]) -> list[Summary]:
    """One for each arm, budget, metric and part of the stream, in the order of their first rows."""
    grouped: dict[tuple[str, int, str, int | None], list[Row]] = defaultdict(list)
    for row in rows:
        grouped[row.arm, row.budget_bits, row.metric, row.examples].append(row)
    return [_summary(group) for group in grouped.values()]


def _summary(rows: Sequence[Row]) -> Summary:
    values = tuple(row.value for row in rows)
    return Summary(
        arm=rows[0].arm,
        budget_bits=rows[0].budget_bits,
        metric=rows[0].metric,
        values=values,
        mean=statistics.fmean(values),
        spread=statistics.stdev(values) if len(values) > 1 else None,
        paper=rows[0].paper,
        stored_bits=statistics.fmean(row.stored_bits for row in rows),
        parameter_bits=statistics.fmean(row.parameter_bits for row in rows),
        seconds=statistics.fmean(row.seconds for row in rows),
        examples_per_s=statistics.fmean(row.examples_per_s for row in rows),
        examples=rows[0].examples,
    )


def spans_budgets(found: Sequence[Summary]) -> bool:
    """Whether accuracy was measured under more than one budget, so that there is a curve to draw."""
    return len({each.budget_bits for each in found if each.metric == RETENTION and each.budget_bits}) > 1


def series(found: Iterable[Summary], prefix: str) -> list[tuple[int, float]]:
    """Number and mean of the metrics named `prefix` and a number, ascending."""
    numbered = [each for each in found if each.metric.removeprefix(prefix).isdecimal()]
    return sorted((int(each.metric.removeprefix(prefix)), each.mean) for each in numbered)
