"""The contract of an experiment."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from streamlearner.bench.results import Row
from streamlearner.bench.workbench import Workbench


class Trial(NamedTuple):
    """One cell of a table: what a resumed run need not do again."""

    arm: str
    budget_bits: int
    seed: int


@dataclass(frozen=True, slots=True)
class Scope:
    """How much to run: seeds 0 to `seeds` - 1, `budgets_bits` (None: the experiment's own), `quick` for a
    smoke run, `kafka` (host:port) for arms that read a topic (None: they are left out)."""

    seeds: int
    budgets_bits: tuple[int, ...] | None
    quick: bool
    kafka: str | None = None


class Experiment(Protocol):
    """A table or curve. `trials` says what there is to do, `run` does one of them and yields its rows."""

    @property
    def name(self) -> str: ...

    @property
    def protocol(self) -> str:
        """Stream, test, and what is counted, in a sentence."""

    def trials(self, scope: Scope) -> Iterable[Trial]: ...

    def run(self, trial: Trial, *, workbench: Workbench, scope: Scope) -> Iterator[Row]: ...
