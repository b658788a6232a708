"""Which examples of a data set are learned, in which order, and which are held out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streamlearner.bench.kit.experiment import Scope
from streamlearner.bench.kit.fixture import Dataset, Fixture

HELD_OUT_SEED = 1_000_003
"""Of its own, so that the same images are held out whatever the seed of a trial."""


def every_nth_of_class(dataset: Dataset, count: int, order: NDArray[np.int64]) -> NDArray[np.int64]:
    """Every `count`-th example of each class, counted along `order` (indices); the chosen ones keep that
    order."""
    labels = np.unique(np.array([str(label) for label in dataset.labels]), return_inverse=True)[1]
    by_class = np.argsort(labels[order], kind="stable")
    return order[np.sort(by_class[::count])]


def split_held_out(training: Dataset, *, held_out_one_in: int) -> tuple[Dataset, Dataset]:
    """The examples that are left to learn from, and one in `held_out_one_in` of each class."""
    order = np.random.default_rng(HELD_OUT_SEED).permutation(len(training.labels))
    held = every_nth_of_class(training, held_out_one_in, order)
    kept = np.setdiff1d(np.arange(len(training.labels)), held)
    return training.select(kept), training.select(held)


def training_and_test(
    fixture: Fixture, data: str, scope: Scope, *, quick: tuple[int, int], held_out_one_in: int
) -> tuple[Dataset, Dataset]:
    """The data set `data` in its two parts, of a smoke run `quick` = (training, test) examples only. Where
    the scope holds out, the test part comes from the training set."""
    most = quick if scope.quick else (None, None)
    training = fixture.load_dataset(data, True, most[0])
    if scope.held_out:
        return split_held_out(training, held_out_one_in=held_out_one_in)
    return training, fixture.load_dataset(data, False, most[1])


def ordered(
    dataset: Dataset, *, seed: int, keep_one_in: int, classes_per_period: int | None, shuffled: bool
) -> Dataset:
    """The stream of this seed: period after period, shuffled within each; or with `shuffled` without periods,
    as joint training has it.

    A period is `classes_per_period` classes, in the order of their numbers, or with None one task, in the
    order of the names. Of each class one example in `keep_one_in` is used.
    """
    order = np.random.default_rng(seed).permutation(len(dataset.labels))
    if keep_one_in > 1:
        order = every_nth_of_class(dataset, keep_one_in, order)
    if shuffled:
        return dataset.select(order)
    periods = _periods(dataset, classes_per_period)[order]
    return dataset.select(order[np.argsort(periods, kind="stable")])


def _periods(dataset: Dataset, classes_per_period: int | None) -> NDArray[np.int64]:
    if classes_per_period is not None:
        return np.array([int(label) // classes_per_period for label in dataset.labels])
    if dataset.tasks is None:
        raise ValueError("without classes_per_period a period is a task, but this data set names no tasks")
    return np.unique(np.array(dataset.tasks), return_inverse=True)[1]
