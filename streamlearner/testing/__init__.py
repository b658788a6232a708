"""Conformance suites for whoever writes a part: the same ones that the shipped parts pass. Needs pytest.

    from streamlearner.testing import MethodConformance

    TestMine = MethodConformance.of("my_package.module:Mine")

`SourceConformance`, `MethodConformance`, `NetworkConformance`, `AssociationConformance`,
`SamplingConformance`, `DeadLettersConformance` and `ExperimentConformance`; each says in its docstring what
it takes beside the name. Nothing else of streamlearner imports this package.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from streamlearner.testing.associations import AssociationConformance
    from streamlearner.testing.dead_letters import DeadLettersConformance
    from streamlearner.testing.experiments import ExperimentConformance
    from streamlearner.testing.methods import MethodConformance
    from streamlearner.testing.networks import NetworkConformance
    from streamlearner.testing.sampling import SamplingConformance
    from streamlearner.testing.sources import SourceConformance

__all__ = [
    "AssociationConformance", "DeadLettersConformance", "ExperimentConformance", "MethodConformance",
    "NetworkConformance", "SamplingConformance", "SourceConformance",
]  # fmt: skip

_MODULES = {
    "AssociationConformance": "associations",
    "DeadLettersConformance": "dead_letters",
    "ExperimentConformance": "experiments",
    "MethodConformance": "methods",
    "NetworkConformance": "networks",
    "SamplingConformance": "sampling",
    "SourceConformance": "sources",
}
_PROMISES = ("method_learning", "method_memory", "method_state", "method_transplants", "streams")
# A failure then shows the values, as one in a test file does.
pytest.register_assert_rewrite(*(f"{__name__}.{module}" for module in (*_MODULES.values(), *_PROMISES)))


def __getattr__(name: str) -> Any:
    """A suite, imported when it is asked for: that of sources needs no torch."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
