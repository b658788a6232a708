"""What an entry of the suite is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from streamlearner.bench.kit.fixture import Fixture
from streamlearner.bench.material.labelled_stream import LabelledStream

Build = Callable[[Fixture, np.random.Generator], LabelledStream]


@dataclass(frozen=True, slots=True)
class Entry:
    """A stream by name.

    - `about`: what it is, in a few words.
    - `build` draws it with a generator of the trial's seed; what it needs and does not find it says in a
      StreamlearnerError.
    - `chosen_on`: settings are chosen on it, so that it proves nothing about them.
    - `tested`: has a test after it.
    - `for_river`: vectors of few enough values and classes for River's models, which learn example by example
      in Python.
    """

    name: str
    about: str
    build: Build
    chosen_on: bool = False
    tested: bool = True
    for_river: bool = False
