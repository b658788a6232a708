"""How far statistics, which sum examples, can be as if some of them had never been."""

from __future__ import annotations

from dataclasses import replace

from streamlearner.methods.experience import Removed, Selection
from streamlearner.statistics.statistics import Statistics

OF_A_CLASS = "of the covariance, which all classes share, the class's part went in proportion"
NOT_CARRIED = "the erasure does not carry the example, or it is not known that it was learned"
HALVED = "sums were halved since some examples came, as meanings changed or they were full"
BY_CLASS = "sums are kept by class, not by task: erase its labels"


def erased(statistics: Statistics | None, selection: Selection, removed: Removed) -> Removed:
    """`removed`, and what statistics could do. By class: exactly, but for the covariance that all share. By
    id: exactly, where the example is known and the sums were never halved."""
    if statistics is None:
        return removed
    if selection.label is not None:
        statistics.erase(selection.label)
        return replace(removed, statistics="exact", note=OF_A_CLASS)
    if (example := selection.example) is None:
        return replace(
            removed, statistics="kept", note=BY_CLASS if selection.task is not None else NOT_CARRIED
        )
    if statistics.sums.halvings:
        return replace(removed, statistics="kept", note=HALVED)
    statistics.subtract(statistics.numbers(example.inputs), example.labels)
    return replace(removed, statistics="exact")
