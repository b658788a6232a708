"""The tables of RESULTS.md: accuracy by arm and budget, then every metric."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from streamlearner.bench.kit.summary import RETENTION, Summary

COLUMNS = (
    "arm", "budget (bits)", "metric", "mean ± spread", "seeds", "paper", "stored bits", "parameter bits",
    "seconds", "examples/s",
)  # fmt: skip
SERIES = re.compile(r"_at_\d+$")
"""The end of a metric's name that is one point of a curve: in the JSON and the plot, not in the table."""


def pivot_tables(found: Sequence[Summary]) -> Iterator[str]:
    """Accuracy by arm and budget: after the whole stream, then after a part of it. Nothing where an
    experiment does not measure accuracy."""
    for metric in dict.fromkeys(each.metric for each in found):
        if metric == RETENTION or metric.startswith(f"{RETENTION}_on_"):
            yield from pivot_table([each for each in found if each.metric == metric])


def pivot_table(shown: Sequence[Summary]) -> Iterator[str]:
    """One table; `shown` has one metric."""
    budgets = sorted({each.budget_bits for each in shown})
    examples = {each.examples for each in shown if each.examples}
    part = f", of {max(examples):,} examples" if examples else ""
    paper = ", [the paper's]" if any(each.paper is not None for each in shown) else ""
    yield f"{shown[0].metric}{part}, by budget in bits: mean ± spread (seeds){paper}\n"
    yield f"| arm | {' | '.join(f'{budget:,}' if budget else 'no memory' for budget in budgets)} |"
    yield "|---" * (1 + len(budgets)) + "|"
    for arm in dict.fromkeys(each.arm for each in shown):
        by_budget = {each.budget_bits: each for each in shown if each.arm == arm}
        cells = [cell(by_budget[budget]) if budget in by_budget else "" for budget in budgets]
        yield f"| {arm} | {' | '.join(cells)} |"
    yield ""


def cell(each: Summary) -> str:
    paper = "" if each.paper is None else f" [{each.paper:.3f}]"
    spread = "" if each.spread is None else f" ± {each.spread:.3f}"
    return f"{each.mean:.3f}{spread} ({len(each.values)}){paper}"


def table(found: Sequence[Summary]) -> Iterator[str]:
    """Every metric with what it cost; of the curves only their names."""
    series = dict.fromkeys(SERIES.sub("", each.metric) for each in found if SERIES.search(each.metric))
    found = [each for each in found if not SERIES.search(each.metric)]
    yield f"| {' | '.join(COLUMNS)} |"
    yield "|---|---:|---|" + "---:|" * (len(COLUMNS) - 3)
    for each in found:
        spread = "" if each.spread is None else f" ± {each.spread:.4f}"
        cells = (
            each.arm,
            f"{each.budget_bits:,}",
            each.metric,
            f"{each.mean:.4f}{spread}",
            str(len(each.values)),
            "" if each.paper is None else f"{each.paper:.4f}",
            f"{each.stored_bits:,.0f}",
            f"{each.parameter_bits:,.0f}",
            f"{each.seconds:,.1f}",
            f"{each.examples_per_s:,.0f}",
        )
        yield f"| {' | '.join(cells)} |"
    if series:
        yield f"\nSeries, in the JSON: {', '.join(series)}."
