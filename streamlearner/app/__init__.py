"""build(config) -> Daemon: the only place that knows all others.

assembly.py    the daemon
access.py      who may use the port
outside.py     sources, the push log, dead letters
files.py       files of any format as a source
intake.py      what takes batches from the source
learning.py    the learner and its method
parts.py       network, association, memory: what methods are built of
meta_training.py
               a gate, trained for `meta_learned_update`
planning.py    what the planner asks of associations
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from streamlearner.app.access import check_access
    from streamlearner.app.assembly import build
    from streamlearner.app.embedded import Learner
    from streamlearner.app.embedded_state import SleepResult
    from streamlearner.app.files import Files, digits
    from streamlearner.app.learning import make_learner, make_method
    from streamlearner.app.parts import check_eye, check_network
    from streamlearner.app.planning import measure_for, statistics_for
    from streamlearner.config.given import load_config
    from streamlearner.config.loading import Config

__all__ = [
    "Config", "Files", "Learner", "SleepResult", "build", "check_access", "check_eye", "check_network",
    "digits",
    "load_config", "make_learner", "make_method", "measure_for", "statistics_for",
]  # fmt: skip

_HOMES = {
    "check_access": "app.access",
    "build": "app.assembly",
    "Learner": "app.embedded",
    "SleepResult": "app.embedded_state",
    "load_config": "config.given",
    "Config": "config.loading",
} | {
    name: f"app.{module}"
    for module, names in {
        "files": ("Files", "digits"),
        "learning": ("make_learner", "make_method"),
        "parts": ("check_eye", "check_network"),
        "planning": ("measure_for", "statistics_for"),
    }.items()
    for name in names
}
"""The modules that define the names, imported once a name is asked for: a daemon does without the planner."""


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f"streamlearner.{_HOMES[name]}"), name)
    globals()[name] = found  # from now on without this function
    return found
