"""Streams in which something changes: what a label means, how a class looks, how often it comes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from streamlearner.bench.kit.fixture import Dataset, Fixture
from streamlearner.bench.material.feature_tables import divided, of_sklearn, thresholds
from streamlearner.bench.material.labelled_stream import (
    LabelledStream,
    class_numbers,
    examples,
    from_the_middle,
    gradually,
    partly_wrong,
    recurring,
    turned,
)
from streamlearner.bench.streams.suite.entry import Entry
from streamlearner.bench.streams.suite.grey_images import inverted, mnist, pooled

Where = Callable[[int, np.random.Generator], NDArray[np.bool_]]
CUTS = (8.0, 9.0, 7.0, 9.5)
"""SEA's: the sum of two values is compared with one after the other."""


def relabelled(training: Dataset, test: Dataset, turns: NDArray[np.bool_]) -> LabelledStream:
    """Shuffled, label y meaning y + 1 where `turns`; the test has the meaning of the last example."""
    labels, late = class_numbers(training), bool(turns[-1])
    return LabelledStream(
        examples(training.images, turned(labels, turns)),
        examples(test.images, turned(class_numbers(test), late)),
        meant=turned(labels, late).tolist(),
    )


def mnist_relabelled(
    fixture: Fixture, rng: np.random.Generator, *, count: int, where: Where, pool: int = 1
) -> LabelledStream:
    training, test = mnist(fixture, rng, count=count, look=partial(pooled, by=pool))
    return relabelled(training, test, where(len(training.labels), rng))


def table_relabelled(
    fixture: Fixture, rng: np.random.Generator, *, name: str, where: Where
) -> LabelledStream:
    training, test = divided(of_sklearn(name), rng, most=5_000, test=1_000)
    return relabelled(training, test, where(len(training.labels), rng))


def sea_stream(fixture: Fixture, rng: np.random.Generator, *, count: int) -> LabelledStream:
    """SEA: four concepts one after the other, twice; 5 % of the labels wrong; the test has the last one."""
    values, held = thresholds(rng, count=count), thresholds(rng, count=1_000)
    cuts = np.array(CUTS * 2)[np.arange(count) * 2 * len(CUTS) // count]
    labels = (values[:, :2].sum(1) > cuts).astype(np.int64)
    return LabelledStream(
        examples(values, partly_wrong(labels, rng, share=0.05)),
        examples(held, (held[:, :2].sum(1) > CUTS[-1]).astype(np.int64)),
        meant=(values[:, :2].sum(1) > CUTS[-1]).astype(np.int64).tolist(),
    )


def new_look(fixture: Fixture, rng: np.random.Generator, *, count: int) -> LabelledStream:
    """From the middle on every digit is dark on white; half of the test is."""
    training, test = mnist(fixture, rng, count=count)
    changed = [
        np.where(late[:, None, None], inverted(part.images), part.images)
        for part, late in (
            (training, from_the_middle(len(training.labels))),
            (test, np.arange(len(test.labels)) % 2 == 1),
        )
    ]
    return LabelledStream(
        examples(changed[0], class_numbers(training)), examples(changed[1], class_numbers(test))
    )


def one_for_long(
    fixture: Fixture, rng: np.random.Generator, *, first: int, then: int, counts: tuple[int, int]
) -> LabelledStream:
    """So many of one digit, then so many of another; the test has as many of each."""
    parts = [mnist(fixture, rng, count=n, classes=[c]) for c, n in zip((first, then), counts, strict=True)]
    fewest = min(len(test.labels) for _, test in parts)
    tests = [test.select(np.arange(fewest)) for _, test in parts]
    return LabelledStream(joined([training for training, _ in parts]), joined(tests))


def imbalanced(fixture: Fixture, rng: np.random.Generator, *, count: int) -> LabelledStream:
    """19 of digit 3 for each 8, shuffled; the test has as many of each."""
    whole = one_for_long(fixture, rng, first=3, then=8, counts=(count * 19 // 20, count // 20))
    order = rng.permutation(len(whole.training.labels))
    return LabelledStream(whole.training.select(order), whole.test)


def wrong_labels(fixture: Fixture, rng: np.random.Generator, *, count: int) -> LabelledStream:
    """One label in twenty is wrong; none of the test."""
    training, test = mnist(fixture, rng, count=count)
    labels = class_numbers(training)
    noisy = examples(training.images, partly_wrong(labels, rng, share=0.05))
    return LabelledStream(noisy, test, meant=labels.tolist())


def joined(parts: list[Dataset]) -> Dataset:
    labels = np.concatenate([class_numbers(part) for part in parts])
    return examples(np.concatenate([part.images for part in parts]), labels)


def abrupt(count: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    return from_the_middle(count)


def twice(count: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    return recurring(count, parts=5)


ENTRIES = (
    Entry(
        "mnist-7x7-relabelled",
        "6,000 of MNIST at 7x7, label y means y + 1 from the middle on",
        partial(mnist_relabelled, count=6_000, where=abrupt, pool=4),
        chosen_on=True,
    ),
    Entry(
        "mnist-relabelled-gradually",
        "6,000 of MNIST, y means y + 1 ever more often",
        partial(mnist_relabelled, count=6_000, where=gradually),
    ),
    Entry(
        "mnist-recurring",
        "5,000 of MNIST, y means y + 1 in the second and fourth fifth",
        partial(mnist_relabelled, count=5_000, where=twice),
    ),
    Entry(
        "breast-cancer-relabelled",
        "breast cancer, the two labels change places in the middle",
        partial(table_relabelled, name="breast_cancer", where=abrupt),
        for_river=True,
    ),
    Entry(
        "digits-vectors-recurring",
        "digits as 64 values, y means y + 1 in the second and fourth fifth",
        partial(table_relabelled, name="digits", where=twice),
        for_river=True,
    ),
    Entry(
        "sea-recurring",
        "SEA, 3 values, four concepts twice, 8,000 examples, 5 % of the labels wrong",
        partial(sea_stream, count=8_000),
        for_river=True,
    ),
    Entry(
        "mnist-new-look",
        "4,000 of MNIST, dark on white from the middle on",
        partial(new_look, count=4_000),
    ),
    Entry(
        "mnist-one-for-long",
        "3,000 of digit 4, then 300 of digit 9",
        partial(one_for_long, first=4, then=9, counts=(3_000, 300)),
    ),
    Entry(
        "mnist-95-to-5",
        "3,000 of digits 3 and 8, 95 to 5, shuffled",
        partial(imbalanced, count=3_000),
    ),
    Entry(
        "mnist-wrong-labels",
        "4,000 of MNIST, 5 % of the labels wrong, shuffled",
        partial(wrong_labels, count=4_000),
    ),
)
