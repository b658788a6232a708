"""The order in which pictures come, and which of them: a quarter of the stream, some held out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streamlearner.bench.kit.experiment import Scope
from streamlearner.bench.kit.fixture import Dataset, Fixture

HELD_OUT_SEED = 1_000_003
"""The same images are held out whatever the seed of a run."""


def one_in(dataset: Dataset, count: int, order: NDArray[np.int64]) -> NDArray[np.int64]:
    """Every `count`-th of each class, as they stand in `order`; what is chosen keeps that order."""
    labels = np.unique(np.array([str(label) for label in dataset.labels]), return_inverse=True)[1]
    by_class = np.argsort(labels[order], kind="stable")
    return order[np.sort(by_class[::count])]


def parted(training: Dataset, *, held_out_one_in: int) -> tuple[Dataset, Dataset]:
    """What is left to learn from, and what was held out of each class."""
    order = np.random.default_rng(HELD_OUT_SEED).permutation(len(training.labels))
    held = one_in(training, held_out_one_in, order)
    kept = np.setdiff1d(np.arange(len(training.labels)), held)
    return training.select(kept), training.select(held)


def halves(
    fixture: Fixture, data: str, scope: Scope, *, quick: tuple[int, int], held_out_one_in: int
) -> tuple[Dataset, Dataset]:
    """What is learned and what is tested; of a smoke run `quick` many of each."""
    most = quick if scope.quick else (None, None)
    training = fixture.load_dataset(data, True, most[0])
    if scope.held_out:
        return parted(training, held_out_one_in=held_out_one_in)
    return training, fixture.load_dataset(data, False, most[1])


def in_order(
    dataset: Dataset, *, seed: int, one_of: int, classes_per_period: int | None, shuffled: bool
) -> Dataset:
    """The stream of this seed: period after period, shuffled within; or all shuffled, which is what joint
    training sees.

    A period is `classes_per_period` labels in the order of their numbers, or with None a task, in the order
    of their names. One in `one_of` examples of each class comes.
    """
    order = np.random.default_rng(seed).permutation(len(dataset.labels))
    if one_of > 1:
        order = one_in(dataset, one_of, order)
    if shuffled:
        return dataset.select(order)
    periods = _periods(dataset, classes_per_period)[order]
    return dataset.select(order[np.argsort(periods, kind="stable")])


def _periods(dataset: Dataset, classes_per_period: int | None) -> NDArray[np.int64]:
    if classes_per_period is not None:
        return np.array([int(label) // classes_per_period for label in dataset.labels])
    if dataset.tasks is None:
        raise ValueError("periods are tasks, but these pictures have none")
    return np.unique(np.array(dataset.tasks), return_inverse=True)[1]
