"""Streams in phases that name some of their factors: the turntable; from a controlled world to the wild."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from streamlearner.bench import report
from streamlearner.bench.catalogue import EXPERIMENTS
from streamlearner.bench.experiments.controlled_to_wild import CONTROLLED_TO_WILD
from streamlearner.bench.experiments.turntable import TURNTABLE, thirds
from streamlearner.bench.kit.experiment import Experiment, Scope
from streamlearner.bench.kit.fixture import Dataset, Fixture
from streamlearner.bench.kit.results import Result, Row
from streamlearner.bench.streams.factor_stream import Phase, phase_stream
from streamlearner.bench.streams.turntable_digits import VIEWPOINTS, in_colour, turned
from tests.support.tiny_bench import TinyBench, dataset

QUICK = Scope(seeds=1, budgets_bits=None, quick=True)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def in_both_worlds(name: str, train: bool, most: int | None = None) -> Dataset:
    grey = dataset(name, train, most)
    return in_colour(grey, side=32) if name == "CIFAR100" else grey


def tiny() -> Fixture:
    return dataclasses.replace(TinyBench()(data=Path("nowhere"), download=False), load_dataset=in_both_worlds)


def ran(experiment: Experiment, arm: str) -> dict[str, Row]:
    (trial,) = [trial for trial in experiment.trials(QUICK) if trial.arm == arm]
    found = experiment.run(trial, fixture=tiny(), scope=QUICK)
    return {row.metric: row for row in found if isinstance(row, Row)}


def test_digits_are_turned_about_their_middle_and_say_how_far() -> None:
    upright = np.zeros((9, 21, 21), dtype=np.uint8)
    upright[:, 10, 15] = 200  # to the right of the middle
    found = turned(Dataset(upright, list(range(9))))
    assert [label["viewpoint"] for label in found.labels] == [*VIEWPOINTS, 0]
    assert [label["category"] for label in found.labels] == list(range(9))
    brightest = [divmod(int(image.argmax()), 21) for image in found.images]
    assert brightest[0] == brightest[8] == (10, 15)
    assert [brightest[2], brightest[4], brightest[6]] == [(5, 10), (10, 5), (15, 10)]


def test_grey_digits_get_a_margin_and_three_equal_channels() -> None:
    found = in_colour(dataset("MNIST", True), side=32).images
    assert found.shape == (120, 32, 32, 3)
    assert np.array_equal(found[:, 2:30, 2:30, 1], dataset("MNIST", True).images)
    assert found[:, :2].sum() == found[:, :, 30:].sum() == 0


def test_a_phase_names_only_its_factors() -> None:
    stream = turned(dataset("MNIST", True))
    labels = phase_stream(thirds(stream, multi_task=False)).labels
    assert [set(label) for label in labels] == [{"category"}] * 40 + [{"viewpoint"}] * 40 + [
        {"category"}
    ] * 40
    assert labels[45] == {"viewpoint": stream.labels[45]["viewpoint"]}
    both = phase_stream(thirds(stream, multi_task=True)).labels
    assert all(set(label) == {"category", "viewpoint"} for label in both)
    mixed = phase_stream([Phase("x", ("category", "wild"), Dataset(stream.images[:1], [{"wild": 3}]))])
    assert mixed.labels == [{"wild": 3}]


def test_the_turntable_tests_both_factors_after_each_third() -> None:
    rows = ran(TURNTABLE, "active_long_term")
    for factor in ("category", "viewpoint"):
        for phase in ("category", "viewpoint", "category_again"):
            for when in ("awake", "after"):
                assert 0.0 <= rows[f"{factor}_{when}_{phase}"].value <= 1.0
        assert f"{factor}_of_neocortex" in rows
    assert rows["viewpoint_after_category"].value == 0.0  # no label of it yet
    assert rows["category_after_category"].stored_bits > 0
    assert sum(name.startswith("category_at_") for name in rows) > 5


def test_what_is_kept_of_the_controlled_world_is_a_share_of_what_was_known() -> None:
    rows = ran(CONTROLLED_TO_WILD, "finetune")
    known, left = rows["category_after_controlled"].value, rows["category_after_wild"].value
    assert known > 0
    assert rows["category_kept"].value == pytest.approx(left / known)
    assert rows["wild_after_controlled"].value == 0.0


def test_alone_the_wild_is_all_there_is_and_many_domains_see_the_digits_again() -> None:
    alone = ran(CONTROLLED_TO_WILD, "wild_alone")
    assert not any("category" in name for name in alone)
    assert alone["wild_after_wild"].value > 0
    several = ran(CONTROLLED_TO_WILD, "multi_domain")
    assert several["category_after_wild"].examples_per_s > 0


def test_the_picture_has_a_panel_for_each_factor(tmp_path: Path) -> None:
    result = Result(tmp_path, name="turntable", protocol="", quick=True)
    result.add(list(ran(TURNTABLE, "finetune").values()))
    report.write(tmp_path, EXPERIMENTS)
    assert (tmp_path / "turntable.png").stat().st_size > 10_000
