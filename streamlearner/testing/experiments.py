"""The conformance suite of experiments: what the bench relies on, whatever is measured."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest

from streamlearner.bench import catalogue, runner
from streamlearner.bench.assembly import build_fixture
from streamlearner.bench.kit.experiment import Experiment, Scope, Trial
from streamlearner.bench.kit.fixture import Dataset
from streamlearner.bench.kit.results import Curve, Result, Row, Sheet
from streamlearner.testing.threads import OneThread

SCOPE = Scope(seeds=1, budgets_bits=None, quick=True)
LoadDataset = Callable[..., Dataset]


def no_data(name: str, train: bool, most: int | None = None) -> Dataset:
    raise AssertionError(f"it asked for {name}; give the suite what to load: of(..., load_dataset=...)")


class ExperimentConformance(OneThread):
    """One line of pytest: `TestMine = ExperimentConformance.of("my_package.module:MINE")`.

    The first trial of a quick run is run, of `arm` where one is named, and more than once: it should take
    seconds. `load_dataset(name, train, most=None)` stands in for the data sets, small ones, where the
    experiment uses any. Metrics that measure time are named in `timed`: those differ from run to run.
    """

    PART: ClassVar[str]
    ARM: ClassVar[str | None]
    TIMED: ClassVar[tuple[str, ...]]
    LOAD_DATASET: ClassVar[LoadDataset]

    @classmethod
    def of(
        cls,
        part: str,
        *,
        arm: str | None = None,
        timed: tuple[str, ...] = (),
        load_dataset: LoadDataset = no_data,
    ) -> type[ExperimentConformance]:
        """The suite for the experiment of this name."""
        named = {"PART": part, "ARM": arm, "TIMED": timed, "LOAD_DATASET": staticmethod(load_dataset)}
        return type(cls.__name__, (cls,), named)

    @pytest.fixture
    def experiment(self) -> Experiment:
        return catalogue.find(self.PART)

    def trials(self, experiment: Experiment, scope: Scope) -> list[Trial]:
        return list(experiment.trials(scope))

    def first(self, experiment: Experiment) -> Trial:
        arms = None if self.ARM is None else (self.ARM,)
        return runner.select_arms(experiment, self.trials(experiment, SCOPE), arms)[0]

    def found(self, experiment: Experiment, folder: Path) -> list[Row | Curve | Sheet]:
        """What the first trial yields."""
        fixture = replace(build_fixture(data=folder), load_dataset=type(self).LOAD_DATASET)
        return list(experiment.run(self.first(experiment), fixture=fixture, scope=SCOPE))

    def rows(self, experiment: Experiment, folder: Path) -> list[Row]:
        return [entry for entry in self.found(experiment, folder) if isinstance(entry, Row)]

    def result(self, experiment: Experiment, folder: Path) -> Result:
        return Result(folder, name=experiment.name, protocol=experiment.protocol, quick=True)

    def test_its_name_can_be_a_file_and_its_protocol_is_a_text(self, experiment: Experiment) -> None:
        assert re.fullmatch(r"[a-z0-9]+([-_][a-z0-9]+)*", experiment.name)
        assert len(experiment.protocol.split()) >= 5
        assert catalogue.find(self.PART).protocol == experiment.protocol

    @pytest.mark.parametrize("quick", [False, True], ids=["whole", "quick"])
    def test_its_trials_are_each_another_and_of_the_seeds_asked_for(
        self, experiment: Experiment, quick: bool
    ) -> None:
        for seeds in (1, 3):
            listed = self.trials(experiment, replace(SCOPE, seeds=seeds, quick=quick))
            assert listed == self.trials(experiment, replace(SCOPE, seeds=seeds, quick=quick))
            assert len(set(listed)) == len(listed) > 0
            assert {trial.seed for trial in listed} == set(range(seeds))

    def test_its_trials_are_of_the_budgets_asked_for(self, experiment: Experiment) -> None:
        whole = replace(SCOPE, quick=False)
        budgets = sorted({trial.budget_bits for trial in self.trials(experiment, whole)})
        assert budgets[0] >= 0
        asked = self.trials(experiment, replace(whole, budgets_bits=(budgets[-1],)))
        assert budgets[-1] in {trial.budget_bits for trial in asked}
        assert {trial.budget_bits for trial in asked} <= {0, budgets[-1]} or asked == self.trials(
            experiment, whole
        ), "neither those asked for nor, as they are fixed, all"

    def test_a_trial_yields_finite_values_under_its_own_name(
        self, experiment: Experiment, tmp_path: Path
    ) -> None:
        trial, rows = self.first(experiment), self.rows(experiment, tmp_path)
        assert rows
        assert {row.trial for row in rows} == {(trial.arm, trial.budget_bits, trial.seed, trial.examples)}
        assert len({row.metric for row in rows}) == len(rows), "a metric comes twice"
        for row in rows:
            assert math.isfinite(row.value), row
            assert row.stored_bits >= 0 and row.parameter_bits >= 0, row
            assert row.seconds >= 0 and math.isfinite(row.examples_per_s), row

    def test_the_same_trial_measures_the_same_again(self, experiment: Experiment, tmp_path: Path) -> None:
        first, again = (
            {row.metric: row.value for row in self.rows(experiment, tmp_path) if row.metric not in self.TIMED}
            for _ in range(2)
        )
        assert first == again

    def test_an_interrupted_run_goes_on_with_the_trials_that_are_missing(
        self, experiment: Experiment, tmp_path: Path
    ) -> None:
        trial, scope = self.first(experiment), replace(SCOPE, seeds=2)
        planned = runner.plan(experiment, scope=scope, result=self.result(experiment, tmp_path))
        fixture = replace(build_fixture(data=tmp_path), load_dataset=type(self).LOAD_DATASET)
        result = self.result(experiment, tmp_path)
        ((done, rows),) = runner.run(experiment, [trial], scope=SCOPE, fixture=fixture, result=result)
        read = self.result(experiment, tmp_path)
        assert (done, read.rows) == (trial, rows)
        missing = runner.plan(experiment, scope=scope, result=read).missing
        assert missing == [each for each in planned.trials if each != trial] != []
