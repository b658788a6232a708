"""Every method that is shipped, some of them with other components, as subjects of the conformance suite."""

from __future__ import annotations

from typing import Any

from streamlearner.methods.base import DualMemory
from streamlearner.registry import methods as registered
from streamlearner.testing import streams
from streamlearner.testing.states import differing, exactly, state
from streamlearner.testing.streams import (
    BUDGET_BITS,
    KINDS,
    QUESTIONS,
    TINY,
    Kind,
    Subject,
    accuracy,
    assert_distributions,
    heard,
    observe,
    rng,
    sleep,
)

__all__ = [
    "ARMS", "BUDGET_BITS", "KINDS", "METHODS", "QUESTIONS", "SETTINGS", "SUBJECTS", "TINY", "Kind",
    "accuracy", "assert_distributions", "rng", "differing", "exactly", "heard", "make", "observe", "sleep",
    "state",
]  # fmt: skip

METHODS: dict[str, type[DualMemory]] = {part.name: part.load() for part in registered.METHODS.shipped}
"""The methods that are shipped, by name."""

SETTINGS: dict[str, Any] = {
    **streams.SETTINGS,
    "method.ema_decay": 0.95,
    "method.masked_generator.units": 16,
    "method.masked_generator.steps": 5,
    "method.masked_generator.batch_size": 8,
    "method.masked_generator.least_examples": 8,
}

ALONE = {"method.statistics": False}
"""The network must learn by itself: beside statistics its answers are not asked for."""
GUMBEL = {"association.name": "gumbel", "association.variables": 12, "association.levels": 3, **ALONE}
OTHERWISE = {"memory.sampling": "balanced", "method.distillation": 0.02, "method.steps": 2, **ALONE}
TAUGHT = {"method.candidates": 3, "method.targets": "teacher", **ALONE}

ARMS: dict[str, dict[str, Any]] = {
    **{name: {"method.name": name} for name in METHODS},
    "recollection_replay alone": {"method.name": "recollection_replay", **ALONE},
    "recollection_replay with gumbel": {"method.name": "recollection_replay", **GUMBEL},
    "recollection_replay otherwise": {"method.name": "recollection_replay", **OTHERWISE},
    "recollection_replay taught": {"method.name": "recollection_replay", **TAUGHT},
}
"""All methods with their default settings, and the default method with other components."""

SUBJECTS = {
    arm: Subject(
        SETTINGS | settings,
        varies=arm not in (*METHODS, "recollection_replay alone"),
        keeps_raw_inputs=arm == "rehearsal",
    )
    for arm, settings in ARMS.items()
}


def make(arm: str, kind: Kind = TINY, **more: Any) -> DualMemory:
    """A fresh method; in `more`, `__` nests: memory__budget_bits=4000."""
    return SUBJECTS[arm].make(kind, **more)
