"""The document that `/v1/memory` answers with."""

from __future__ import annotations

from typing import Any

from streamlearner.learning.learner import Learner
from streamlearner.memory.lent_records import share_of
from streamlearner.state.predictions import Predictions


def memory_document(
    learner: Learner | None, *, budget_bits: int, predictions: Predictions | None = None
) -> dict[str, Any]:
    """Bits held and allowed, of what was learned and of predictions that wait for labels, within a budget of
    their own."""
    bits = predictions.stored_bits if predictions is not None else 0
    found = _learner_memory(learner, budget_bits=budget_bits)
    return found | {
        "stored_bits": found["stored_bits"] | ({"predictions": bits} if bits else {}),
        "predictions_budget_bits": predictions.budget_bits if predictions is not None else None,
    }


def _learner_memory(learner: Learner | None, *, budget_bits: int) -> dict[str, Any]:
    """Of what was learned. `bits_per_example` is the paper's storage rate: bits of what the budget bounds,
    recollections and statistics, for each example that was learned (003, eq. 3)."""
    if learner is None:
        nothing: dict[str, Any] = {"budget_bits": budget_bits, "exam_budget_bits": None}
        nothing |= {"dream_budget_bits": share_of(budget_bits)}
        nothing |= {"stored_bits": {}, "parameter_bits": {}, "recollections": 0, "recollections_by_class": {}}
        nothing |= {"units": {}, "eye": None, "refused_codes": None}
        return nothing | {"bits_per_example": None, "bits_per_recollection": None, "seen": 0}
    stored, seen = learner.stored_bits(), learner.progress.learned
    recollection_bits = stored.get("recollections", 0)
    bounded_bits = recollection_bits + stored.get("statistics", 0)
    return {
        "budget_bits": budget_bits,
        "exam_budget_bits": learner.exam.budget_bits,
        "dream_budget_bits": share_of(budget_bits),
        "stored_bits": stored,
        "parameter_bits": learner.method.parameter_bits(),
        "recollections": learner.method.remembered,
        "recollections_by_class": {
            learner.labels.name(i): count for i, count in learner.method.remembered_by_class().items()
        },
        "units": learner.method.units(),
        "eye": learner.eye.document() if learner.eye else None,
        "refused_codes": learner.refused_codes,
        "bits_per_example": bounded_bits / seen if seen else None,
        "bits_per_recollection": recollection_bits / learner.method.remembered
        if learner.method.remembered
        else None,
        "seen": seen,
    }


def budgets(memory: dict[str, Any]) -> dict[str, int]:
    """By store, of those that have one."""
    found = {"recollections": memory["budget_bits"], "exam": memory["exam_budget_bits"]}
    found |= {"dream": memory["dream_budget_bits"], "predictions": memory["predictions_budget_bits"]}
    return {store: bits for store, bits in found.items() if bits is not None}
