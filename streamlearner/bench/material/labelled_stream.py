"""A stream in its order with a test after it, and what that order or its labels may do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from streamlearner.bench.kit.fixture import Dataset

Indices = NDArray[np.int64]
Order = Callable[[Indices, np.random.Generator], Indices]
"""Of labels [n], the indices [n] in which they are learned."""


@dataclass(frozen=True, slots=True)
class LabelledStream:
    """`training` in the order in which it is learned; `test`, None where what comes next is the only test.

    `meant`: the labels of `training` as they are meant at the end, where their meaning changed or some are
    wrong: what a learner that has all of it at once is taught.
    """

    training: Dataset
    test: Dataset | None
    meant: list[int] | None = None

    def shortened(self, most: int) -> LabelledStream:
        """Every so many examples, at most `most`, in the same order; for a smoke run."""
        step = -(-len(self.training.labels) // most)
        kept = np.arange(0, len(self.training.labels), step)
        meant = None if self.meant is None else self.meant[::step]
        return replace(self, training=self.training.select(kept), meant=meant)

    def first_seen(self) -> dict[int, int]:
        """Where each class comes first, in that order."""
        found: dict[int, int] = {}
        for place, label in enumerate(self.training.labels):
            found.setdefault(label, place)
        return found


def examples(inputs: NDArray[np.generic], labels: Sequence[int] | NDArray[np.int64]) -> Dataset:
    """Inputs [n, ...] with integer labels."""
    return Dataset(inputs, [int(label) for label in labels])


def class_numbers(dataset: Dataset) -> Indices:
    return np.array([int(label) for label in dataset.labels], dtype=np.int64)


def of_classes(dataset: Dataset, classes: Iterable[int]) -> Dataset:
    """The examples of some classes, in their order."""
    labels = class_numbers(dataset)
    kept = np.isin(labels, list(classes))
    return examples(dataset.images[kept], labels[kept])


def in_order(
    training: Dataset, test: Dataset | None, order: Order, rng: np.random.Generator
) -> LabelledStream:
    return LabelledStream(training.select(order(class_numbers(training), rng)), test)


# orders


def shuffled(labels: Indices, rng: np.random.Generator) -> Indices:
    return rng.permutation(len(labels))


def class_after_class(labels: Indices, rng: np.random.Generator, *, together: int = 1) -> Indices:
    """`together` classes at a time (a task), drawn by `rng`; shuffled within."""
    classes = rng.permutation(np.unique(labels))
    place = {int(label): number // together for number, label in enumerate(classes)}
    order = rng.permutation(len(labels))
    tasks = np.array([place[int(label)] for label in labels[order]])
    return order[np.argsort(tasks, kind="stable")]


two_at_a_time = partial(class_after_class, together=2)


def drifting(labels: Indices, rng: np.random.Generator, *, spread: float = 0.15) -> Indices:
    """A mixture that drifts: each class has a time about which it is frequent, with this standard deviation
    as a fraction of the stream."""
    classes = rng.permutation(np.unique(labels))
    middle = {int(label): (number + 0.5) / len(classes) for number, label in enumerate(classes)}
    times = np.array([middle[int(label)] for label in labels]) + spread * rng.standard_normal(len(labels))
    return np.argsort(times, kind="stable")


# changes of meaning: where label y means y + 1, [n] bool


def from_the_middle(count: int) -> NDArray[np.bool_]:
    return np.arange(count) >= count // 2


def gradually(count: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Never in the first third, more and more often in the second, always in the last."""
    return np.asarray(rng.random(count) < np.clip(3 * np.arange(count) / count - 1, 0, 1))


def recurring(count: int, *, parts: int) -> NDArray[np.bool_]:
    """In every second part of `parts`."""
    return np.asarray((np.arange(count) * parts // count) % 2 == 1)


def turned(labels: Indices, where: NDArray[np.bool_] | bool = True) -> Indices:
    """Label y becomes y + 1, and the highest 0."""
    return np.where(where, (labels + 1) % (labels.max() + 1), labels)


def partly_wrong(labels: Indices, rng: np.random.Generator, *, share: float) -> Indices:
    """`share` of the labels replaced by another one, any."""
    classes = int(labels.max()) + 1
    wrong = rng.random(len(labels)) < share
    return np.where(wrong, (labels + rng.integers(1, classes, len(labels))) % classes, labels)
