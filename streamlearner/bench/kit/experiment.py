"""The contract of an experiment."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, Protocol, runtime_checkable

from streamlearner.bench.kit.fixture import Fixture
from streamlearner.bench.kit.results import Curve, Row, Sheet
from streamlearner.bench.kit.summary import Summary

Portion = Literal["whole", "quarter"]


class Trial(NamedTuple):
    """One cell of a table: what a resumed run need not do again. `examples` is the length of the stream
    where that is a part of the experiment's (None: the whole)."""

    arm: str
    budget_bits: int
    seed: int
    examples: int | None = None


def rows_of(
    trial: Trial,
    measured: Mapping[str, float],
    *,
    parameter_bits: int,
    seconds: float,
    examples: int,
    stored_bits: int = 0,
    paper: Mapping[str, float] | None = None,
) -> Iterator[Row]:
    """What a trial measured, by metric, after `examples` in `seconds`; `paper` has figures by metric."""
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
        )


@dataclass(frozen=True, slots=True)
class Scope:
    """How much to run: seeds 0 to `seeds` - 1, `budgets_bits` (None: the experiment's own), `quick` for a
    smoke run, `kafka` (host:port) for arms that read a topic (None: they are left out), `arms` (None: all),
    `portion` of the stream, and `held_out` to test on images held out of the training set, on which settings
    are chosen."""

    seeds: int
    budgets_bits: tuple[int, ...] | None
    quick: bool
    kafka: str | None = None
    arms: tuple[str, ...] | None = None
    portion: Portion = "whole"
    held_out: bool = False


class Experiment(Protocol):
    """A table or curve. `trials` says what there is to do, `run` does one of them and yields its rows (and
    curves over the stream and sheets of images, if it has any). The runner leaves out the arms that were not
    asked for."""

    @property
    def name(self) -> str: ...

    @property
    def protocol(self) -> str:
        """Stream, test, and what is counted, in a sentence."""

    def trials(self, scope: Scope) -> Iterable[Trial]: ...

    def run(self, trial: Trial, *, fixture: Fixture, scope: Scope) -> Iterator[Row | Curve | Sheet]: ...


@runtime_checkable
class HoldsOut(Protocol):
    """An experiment that can test on a part of the training set: one in `held_out_one_in` of each class."""

    held_out_one_in: int


@runtime_checkable
class DrawsItself(Protocol):
    """An experiment that draws its own picture instead of accuracy against budget."""

    def draw(self, found: Sequence[Summary], *, quick: bool, path: Path) -> None:
        """Writes a PNG to `path`; `found` are the figures of the report, all metrics."""
