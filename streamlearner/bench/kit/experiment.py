"""The contract of an experiment: it lists trials within a scope, and runs one at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

from streamlearner.bench.kit.fixture import Fixture
from streamlearner.bench.kit.results import Curve, Row, Sheet
from streamlearner.bench.kit.summary import Summary

Portion = Literal["whole", "quarter"]


class Trial(NamedTuple):
    """One cell of a table, for one seed: the unit of work, which a resumed run does not repeat. `examples` is
    the length of the stream where only a part of it is learned (None: all of it)."""

    arm: str
    budget_bits: int
    seed: int
    examples: int | None = None


def trial_rows(
    trial: Trial,
    measured: Mapping[str, float],
    *,
    parameter_bits: int,
    seconds: float,
    examples: int,
    stored_bits: int = 0,
    paper: Mapping[str, float] | None = None,
) -> Iterator[Row]:
    """A row for each metric that a trial measured on `examples` learned in `seconds`. `paper`: the paper's
    figures by metric."""
    for metric, value in measured.items():
        yield Row(
            arm=trial.arm,
            budget_bits=trial.budget_bits,
            stored_bits=stored_bits,
            parameter_bits=parameter_bits,
            seed=trial.seed,
            metric=metric,
            value=value,
            paper=(paper or {}).get(metric),
            seconds=round(seconds, 2),
            examples_per_s=round(examples / seconds, 1),
            examples=trial.examples,
        )


@dataclass(frozen=True, slots=True)
class Scope:
    """How much to run.

    Seeds 0 to `seeds` - 1; `budgets_bits` (None: the experiment's own); `quick`: a smoke run; `kafka`
    (host:port): a broker for arms that read a topic (None: they are left out); `arms` (None: all); `portion`
    of the stream; `held_out`: test on images held out of the training set, by which settings are chosen;
    `device`: of torch, where eyes see.
    """

    seeds: int
    budgets_bits: tuple[int, ...] | None
    quick: bool
    kafka: str | None = None
    arms: tuple[str, ...] | None = None
    portion: Portion = "whole"
    held_out: bool = False
    device: str = "cpu"


class Experiment(Protocol):
    """A table or curve. `trials` lists the work; `run` does one trial and yields its rows (and its curve over
    the stream and sheets of images, if it has any). The runner leaves out the arms that were not asked
    for."""

    @property
    def name(self) -> str: ...

    @property
    def protocol(self) -> str:
        """Stream, test, arms and metrics in a paragraph. It is stored with the results, and results of
        another protocol are not resumed."""

    def trials(self, scope: Scope) -> Iterable[Trial]: ...

    def run(self, trial: Trial, *, fixture: Fixture, scope: Scope) -> Iterator[Row | Curve | Sheet]: ...


@runtime_checkable
class HoldsOut(Protocol):
    """An experiment that can test on images held out of the training set: one in `held_out_one_in` of each
    class."""

    held_out_one_in: int


@runtime_checkable
class Sees(Protocol):
    """An experiment with an eye, which may see on any device: `eye` are its settings."""

    eye: Mapping[str, Any]


@runtime_checkable
class DrawsItself(Protocol):
    """An experiment with a plot of its own instead of accuracy against budget."""

    def draw(self, found: Sequence[Summary], *, quick: bool, path: Path) -> None:
        """Writes a PNG to `path`; `found` has all metrics."""


@runtime_checkable
class TabulatesItself(Protocol):
    """An experiment whose rows are too many for a line each: it makes tables of its own."""

    def tables(self, found: Sequence[Summary]) -> Iterator[str]:
        """Lines of Markdown; `found` has all metrics."""
