"""streamlearner: learns continually from a labelled stream, inside a budget of bits.

Most run it as a daemon (`streamlearner run`). This page is for programs: what this package exports is the
promise, kept from release to release as `__version__` says; any other module may change at any time.
(Authors of a method, a network or an association import its contract too, as the how-to pages do.)

Learn in your own process, in the manner of River and scikit-learn, numpy in and numpy out:

>>> from sklearn.datasets import load_digits
>>> from streamlearner import Learner
>>> digits = load_digits()
>>> X, y = digits.images / 16, digits.target                 # [1797, 8, 8] floats from 0 to 1; ten digits
>>> learner = Learner(memory_budget="16 KiB", seed=0)
>>> learner.learn_many(X[:500], y[:500])
>>> learner.sleep().steps                                    # consolidates what is remembered
200
>>> bool((learner.predict_many(X[500:]) == y[500:]).mean() > 0.6)
True

- `Learner`: `learn_many`, `learn_one`, `predict_many`, `predict_one`, `predict_proba_many`,
  `predict_proba_one`, `classes_`, `learned`, `sleep` (a `SleepResult`), `retention`, `memory`, `save`,
  `load`.
- `load_config`: a mapping of settings or a YAML file to a checked `Config`; `Learner` and `build` take all
  three.
- `build`: the daemon inside a program, a `Daemon` with `run`, `stop` and `status`.
- `Source`: what to implement for a stream of your own; it gives `Message`s, whose content `encode` writes,
  and has a `Position`; `Surroundings` are what one in the configuration is built in. `MemorySource` is one
  over a list. `Label`: a text or an integer.
- `StreamlearnerError`: the base of every error raised on purpose. `InvalidInput`, `ConfigError`,
  `NothingLearned`, `CheckpointError` (and of it `NoReadableCheckpoint`), `StateInUse`; a source raises
  `SourceError` (and of it `SourceUnreachable`, `PositionLost`).

Importing this package is quick: torch is loaded with the first name that needs it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from streamlearner.version import __version__

if TYPE_CHECKING:
    from streamlearner.app import Config, Learner, SleepResult, build, load_config
    from streamlearner.connectors.memory import MemorySource
    from streamlearner.daemon.loop import Daemon
    from streamlearner.decoding.headers import encode_raw as encode
    from streamlearner.errors import (
        CheckpointError,
        ConfigError,
        InvalidInput,
        NoReadableCheckpoint,
        NothingLearned,
        PositionLost,
        SourceError,
        SourceUnreachable,
        StateInUse,
        StreamlearnerError,
    )
    from streamlearner.stream import Label, Message, Position, Source, Surroundings

__all__ = [
    "Learner", "SleepResult",
    "build", "Daemon", "load_config", "Config",
    "Source", "Surroundings", "MemorySource", "Message", "Position", "Label", "encode",
    "StreamlearnerError", "InvalidInput", "ConfigError", "NothingLearned",
    "CheckpointError", "NoReadableCheckpoint", "StateInUse",
    "SourceError", "SourceUnreachable", "PositionLost",
    "__version__",
]  # fmt: skip

_HOMES = {
    "Learner": "app.embedded",
    "SleepResult": "app.embedded_state",
    "build": "app.assembly",
    "Daemon": "daemon.loop",
    "load_config": "config.given",
    "Config": "config.loading",
    "MemorySource": "connectors.memory",
    "encode": "decoding.headers:encode_raw",
} | dict.fromkeys(("Source", "Surroundings", "Message", "Position", "Label"), "stream")
"""The modules that define the names; every other is in `errors`."""


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, attribute = _HOMES.get(name, "errors").partition(":")
    found = getattr(import_module(f"{__name__}.{module}"), attribute or name)
    globals()[name] = found  # from now on without this function
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
