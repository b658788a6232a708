"""Streams learned once by several arms: order, portions, tasks, curves, what is counted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from streamlearner.bench.catalogue import EXPERIMENTS
from streamlearner.bench.kit import ordering
from streamlearner.bench.kit.experiment import Scope
from streamlearner.bench.kit.fixture import Dataset, Fixture
from streamlearner.bench.kit.results import Curve, Row
from streamlearner.bench.kit.retention_curve import RetentionCurve, accuracy
from streamlearner.bench.streams.continual import Arm, ContinualExperiment
from streamlearner.bench.streams.one_pass import learn_stream
from streamlearner.config import loading as config
from tests.support.tiny_bench import TinyBench, dataset

SMALL = {"network.name": "mlp", "exam.fraction": 0.0, "evaluation.readout": False, "precision": "fp32"}
"""auto measures at each start: on a busy machine two runs may choose otherwise, and so learn otherwise."""
BUDGET = 400_000
EXPERIMENT = ContinualExperiment(
    name="tiny",
    protocol="Five tasks of two classes.",
    data="Rows",
    examples=120,
    classes_per_period=None,
    names_tasks=True,
    budgets_bits=(BUDGET, 2 * BUDGET),
    arms={
        "ours": Arm(settings=SMALL, paper={BUDGET: 0.5}),
        "finetune": Arm(settings={**SMALL, "method.name": "finetune"}, uses_memory=False),
        "unlimited": Arm(settings={**SMALL, "association.name": "raw"}, budgets_bits=(5_000_000,)),
    },
)
STREAM = dataset("Rows", True)


def scope(**other: Any) -> Scope:
    return Scope(**({"seeds": 1, "budgets_bits": None, "quick": False} | other))


def bench() -> Fixture:
    return TinyBench()(data=Path("nowhere"), download=False)


def ran(experiment: ContinualExperiment, wanted: Scope, arm: str) -> tuple[list[Row], list[Curve]]:
    """The first trial of this arm: its rows and its curve."""
    trial = next(trial for trial in experiment.trials(wanted) if trial.arm == arm)
    found = list(experiment.run(trial, fixture=bench(), scope=wanted))
    return [e for e in found if isinstance(e, Row)], [e for e in found if isinstance(e, Curve)]


def ordered(**other: Any) -> Dataset:
    usual: dict[str, Any] = {"seed": 0, "keep_one_in": 1, "classes_per_period": None, "shuffled": False}
    return ordering.ordered(STREAM, **(usual | other))


def test_a_period_is_a_task_or_so_many_labels_shuffled_within() -> None:
    assert ordered().tasks == [f"task {number}" for number in range(5) for _ in range(24)]
    assert ordered().labels[:24] != sorted(ordered().labels[:24], key=int)
    assert {int(label) // 5 for label in ordered(classes_per_period=5).labels[:60]} == {0}
    assert len({int(label) for label in ordered(shuffled=True).labels[:24]}) > 5
    assert ordered(seed=1).labels != ordered().labels


def test_a_quarter_has_every_fourth_example_of_each_class_in_the_same_order_of_tasks() -> None:
    quarter = ordered(keep_one_in=4)
    assert list(dict.fromkeys(quarter.tasks or [])) == [f"task {number}" for number in range(5)]
    assert [quarter.labels.count(label) for label in range(10)] == [3] * 10
    whole = {image.tobytes() for image in ordered().images}
    assert {image.tobytes() for image in quarter.images} < whole
    assert not (quarter.images == ordered(keep_one_in=4, seed=1).images).all()


def test_what_is_held_out_is_a_part_of_each_class_that_no_stream_has() -> None:
    kept, held = ordering.split_held_out(STREAM, held_out_one_in=4)
    assert [held.labels.count(label) for label in range(10)] == [3] * 10
    apart = [{image.tobytes() for image in half.images} for half in (kept, held)]
    assert not apart[0] & apart[1]
    assert len(apart[0] | apart[1]) == 120
    assert (ordering.split_held_out(STREAM, held_out_one_in=4)[1].images == held.images).all()


def test_trials_say_how_long_a_part_of_the_stream_is() -> None:
    whole = list(EXPERIMENT.trials(scope()))
    assert [(trial.arm, trial.budget_bits) for trial in whole] == [
        ("ours", BUDGET), ("ours", 2 * BUDGET), ("finetune", 0), ("unlimited", 5_000_000),
    ]  # fmt: skip
    assert {trial.examples for trial in whole} == {None}
    assert {trial.examples for trial in EXPERIMENT.trials(scope(portion="quarter"))} == {30}
    part = scope(portion="quarter", held_out=True)
    assert {trial.examples for trial in EXPERIMENT.trials(part)} == {24}
    assert [trial.budget_bits for trial in EXPERIMENT.trials(scope(budgets_bits=(7,)))] == [7, 0]
    quick = {trial.budget_bits for trial in EXPERIMENT.trials(scope(quick=True))}
    assert quick == {BUDGET, 0, 5_000_000}


def test_rows_of_a_quarter_cannot_be_taken_for_the_whole() -> None:
    whole, _ = ran(EXPERIMENT, scope(), "ours")
    quarter, (curve,) = ran(EXPERIMENT, scope(portion="quarter"), "ours")
    assert {row.examples for row in whole} == {None}
    assert [row.paper for row in whole if row.metric == "accuracy"] == [0.5]
    assert {row.examples for row in quarter} == {30} == {curve.examples}
    assert {row.metric for row in quarter} == {f"{row.metric}_on_quarter" for row in whole}
    assert all(row.paper is None for row in quarter)


def test_tasks_are_named_to_the_daemon_and_at_test() -> None:
    small = {**SMALL, "method.statistics": False}  # which need no task to know all of so few classes
    named = learn_stream(bench(), small, ordered(), dataset("Rows", False), names_tasks=True)
    unnamed = learn_stream(bench(), small, ordered(), dataset("Rows", False), names_tasks=False)
    ignored = learn_stream(
        bench(), {**small, "codec.tasks": "ignore"}, ordered(), dataset("Rows", False), names_tasks=True
    )
    assert named.measured["accuracy"] > unnamed.measured["accuracy"]
    assert ignored.measured["accuracy"] == unnamed.measured["accuracy"]


def test_methods_are_compared_by_readout_and_seconds_of_sleep_too() -> None:
    settings = {**SMALL, "sleep.every_examples": 50, "sleep.min_examples": 0, "sleep.steps": 20}
    test = dataset("Rows", False)
    plain = learn_stream(bench(), settings, ordered(), test, names_tasks=True)
    compared = learn_stream(bench(), settings, ordered(), test, names_tasks=True, compares_methods=True)
    more = {"readout", "readout_of_first", "sleep_seconds"}
    assert compared.measured.keys() - plain.measured.keys() == more
    assert {name: compared.measured[name] for name in plain.measured} == plain.measured
    assert compared.measured["readout"] > 0.3
    assert 0 < compared.measured["sleep_seconds"] < compared.seconds


CONTINUAL = [each for each in EXPERIMENTS.values() if isinstance(each, ContinualExperiment)]


@pytest.mark.parametrize("experiment", CONTINUAL, ids=lambda each: each.name)
def test_every_setting_of_every_arm_exists(experiment: ContinualExperiment) -> None:
    trials = list(experiment.trials(scope()))
    assert {trial.arm for trial in trials} == set(experiment.arms)
    for trial in trials:
        loaded = config.load(path=None, settings=experiment.settings(trial), environ={})
        assert loaded.memory.budget_bits == trial.budget_bits or not trial.budget_bits
    for arm in experiment.arms.values():
        assert set(arm.by_budget) | set(arm.paper) <= {0, *experiment.budgets_bits}


class Recorder:
    """A learner that predicts the first class of the task that is named."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, str | None]] = []

    def predictor(self) -> Recorder:
        return self

    def predict(self, inputs: torch.Tensor, *, task: str | None) -> list[Any]:
        self.asked.append((len(inputs), task))
        label = 0 if task is None else 2 * int(task.split()[1])
        return [type("Answer", (), {"label": label})] * len(inputs)


def test_each_picture_is_tested_once_under_its_own_task() -> None:
    test, recorder = dataset("Rows", False), Recorder()
    assert accuracy(recorder, test, names_tasks=True) == 0.5
    assert recorder.asked == [(8, f"task {number}") for number in range(5)]
    assert accuracy(recorder, test, names_tasks=False) == 0.1


def test_the_curve_tests_what_was_met_at_twenty_even_distances() -> None:
    stream, recorder = ordered(), Recorder()
    curve = RetentionCurve(stream, dataset("Rows", False), names_tasks=True, learner=lambda: recorder)
    for taken in range(0, 121, 2):
        curve(taken)
    assert [taken for taken, _ in curve.points] == list(range(6, 121, 6))
    met = [{task for _, task in recorder.asked[:1]}, {task for _, task in recorder.asked[-5:]}]
    assert met == [{"task 0"}, {f"task {number}" for number in range(5)}]
    curve(120)
    assert len(curve.points) == 20
    assert curve.seconds > 0


def test_testing_along_the_stream_changes_nothing_and_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    bits = []

    def watched(self: RetentionCurve, taken: int) -> None:
        tested(self, taken)
        if taken == 120:
            learner = self.learner()
            bits.append({name: tensor.clone() for name, tensor in learner.method.state_dict().items()})

    tested, settings = RetentionCurve.__call__, {**SMALL, "memory.budget_bits": BUDGET}
    for points in (20, 1):
        monkeypatch.setattr("streamlearner.bench.kit.retention_curve.POINTS", points)
        monkeypatch.setattr(RetentionCurve, "__call__", watched)
        learned = learn_stream(bench(), settings, ordered(), dataset("Rows", False), names_tasks=True)
        assert len(learned.points) == min(points, 12)  # at most one a batch of ten
    assert all(torch.equal(bits[0][name], bits[-1][name]) for name in bits[0])


def test_held_out_images_are_tested_and_not_the_test_set() -> None:
    asked: list[bool] = []

    def load(name: str, train: bool, most: int | None = None) -> Dataset:
        asked.append(train)
        return dataset(name, train, most)

    tiny = replace(bench(), load_dataset=load)
    trial = next(iter(EXPERIMENT.trials(scope(held_out=True))))
    rows = list(EXPERIMENT.run(trial, fixture=tiny, scope=scope(held_out=True)))
    assert asked == [True]
    value = next(row.value for row in rows if isinstance(row, Row) and row.metric == "accuracy")
    assert np.isclose(value * 24, round(value * 24))
