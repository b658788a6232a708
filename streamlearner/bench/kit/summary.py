"""Figures: what the rows of an experiment say of an arm, over its seeds."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from streamlearner.bench.kit.results import Row

RETENTION = "accuracy"
"""The metric that is shown at a glance, with what follows its name where it is of a part of the stream."""


@dataclass(frozen=True, slots=True)
class Summary:
    """One metric of an arm under a budget, over its seeds. `spread` is None for a single one; `examples` is
    the length of the stream where it is a part, else None."""

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
    """One for each arm, budget, metric and part of the stream, in the order of their first rows, over its
    seeds."""
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
    """Whether there is a curve to draw: accuracy under more than one budget."""
    return len({each.budget_bits for each in found if each.metric == RETENTION and each.budget_bits}) > 1


def series(found: Iterable[Summary], prefix: str) -> list[tuple[int, float]]:
    """Number and mean of the metrics named `prefix` and a number, ascending."""
    numbered = [each for each in found if each.metric.removeprefix(prefix).isdecimal()]
    return sorted((int(each.metric.removeprefix(prefix)), each.mean) for each in numbered)
