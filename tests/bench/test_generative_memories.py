"""Digits permuted, mirrored and reflected: what a task is, and that both halves of a set agree on it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from streamlearner.bench.experiments.generative_memories import (
    DIGITS,
    PERMNIST,
    PERMUTED_MNIST,
    PERMUTED_MNIST_SMALL,
    TDIGITS,
)
from streamlearner.bench.kit.experiment import Scope, Trial
from streamlearner.bench.kit.fixture import Dataset
from streamlearner.bench.kit.results import Row, Sheet
from streamlearner.bench.streams.digit_tasks import PERMNIST_TASKS, permnist, permuted, transformed
from streamlearner.bench.streams.one_pass import of_last_classes
from tests.support.tiny_bench import TinyBench, dataset

QUICK = Scope(seeds=1, budgets_bits=None, quick=True)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def test_a_permutation_keeps_the_pixels_and_is_the_same_for_both_halves() -> None:
    for train in (True, False):
        before, after = dataset("MNIST", train), permuted(dataset("MNIST", train))
        assert after.labels == before.labels
        assert after.tasks is not None
        assert set(after.tasks) == {f"permutation {k}" for k in range(6)}
        assert (after.images[0] == before.images[0]).all()
        assert (after.images[1] != before.images[1]).any()
        assert (np.sort(after.images[1], axis=None) == np.sort(before.images[1], axis=None)).all()
    one, other = (permuted(dataset("MNIST", train)).images[7] for train in (True, False))
    bright = [int(image.reshape(-1).argmax()) for image in (one, other)]  # the row of class 7, permuted alike
    rows = [set(np.flatnonzero(image.reshape(-1) == 255)) for image in (one, other)]
    assert rows[0] == rows[1]
    assert bright[0] == bright[1]


def test_permnist_changes_the_centre_or_mirrors_and_both_halves_alike() -> None:
    before, after = dataset("MNIST", True), permnist(dataset("MNIST", True))
    assert after.tasks is not None
    assert after.tasks[:7] == [*PERMNIST_TASKS, PERMNIST_TASKS[0]]
    assert sorted(PERMNIST_TASKS) == [*PERMNIST_TASKS]  # the order of a stream is that of their names
    first, black, white, narrow, wide, mirrored = zip(before.images[:6], after.images[:6], strict=True)
    assert (first[0] == first[1]).all()
    assert (mirrored[0][:, ::-1] == mirrored[1]).all()
    for (clean, changed), side in ((black, 8), (white, 8), (narrow, 8), (wide, 12)):
        inside = np.zeros((28, 28), dtype=bool)
        inside[14 - side // 2 : 14 + side // 2, 14 - side // 2 : 14 + side // 2] = True
        assert (clean[~inside] == changed[~inside]).all()
        assert (clean[inside] != changed[inside]).any()
    assert set(black[1][10:18, 10:18].flat) == {0}
    assert set(white[1][10:18, 10:18].flat) == {255}
    for clean, changed in (narrow, wide):
        assert sorted(clean.flat) == sorted(changed.flat)
    ramps = Dataset(np.arange(784).astype(np.uint8).reshape(1, 28, 28).repeat(12, axis=0), [0] * 12)
    found = permnist(ramps).images
    assert (found[:6] == found[6:]).all()  # one order of pixels for all images of a task


def test_a_transformed_digit_is_a_class_of_its_own() -> None:
    before, after = dataset("MNIST", True), transformed(dataset("MNIST", True))
    assert [int(label) // 10 for label in after.labels[:4]] == [0, 1, 2, 3]
    assert [int(label) % 10 for label in after.labels] == [int(label) for label in before.labels]
    assert (after.images[1] == before.images[1][:, ::-1]).all()
    assert (after.images[2] == before.images[2][::-1]).all()
    assert (after.images[3] == before.images[3].T).all()
    assert (after.images[0] == before.images[0]).all()


@pytest.mark.parametrize(
    "experiment",
    [PERMNIST, PERMUTED_MNIST, PERMUTED_MNIST_SMALL, DIGITS, TDIGITS],
    ids=lambda each: each.name,
)
def test_each_stream_is_learned_by_a_real_daemon(experiment: object) -> None:
    tiny = TinyBench()
    bench = tiny(data=Path("nowhere"), download=False)
    found = list(
        experiment.run(Trial("generative_dual_memory", 0, 0), fixture=bench, scope=QUICK)  # type: ignore[attr-defined]
    )
    rows = {row.metric: row.value for row in found if isinstance(row, Row)}
    assert 0.0 <= rows["accuracy"] <= 1.0
    (sheet,) = [entry for entry in found if isinstance(entry, Sheet)]
    assert sheet.name == "generative_dual_memory"
    assert sheet.pixels.shape[1] == 10 * 28
    assert sheet.pixels.float().std() > 1
    (settings,) = tiny.settings
    assert settings["sleep.on_memory_full"] is True


def test_the_last_classes_are_those_of_the_highest_numbers() -> None:
    whole = transformed(dataset("MNIST", False))
    newest, highest = of_last_classes(whole, 10), sorted(set(whole.labels))[-10:]
    assert set(newest.labels) == set(highest)
    assert len(newest.labels) == sum(label in highest for label in whole.labels)


def test_the_number_of_tasks_sets_kappa() -> None:
    expected = [
        each.arms["generative_dual_memory"].settings["method.generative_dual_memory.expected_tasks"]
        for each in (PERMNIST, DIGITS, TDIGITS)
    ]
    assert expected == [6, 10, 40]
