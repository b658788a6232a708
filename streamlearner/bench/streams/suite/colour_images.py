"""Colour images of 28 x 28 and 32 x 32."""

from __future__ import annotations

from functools import partial

import numpy as np

from streamlearner.bench.kit.fixture import Dataset, Fixture
from streamlearner.bench.material.labelled_stream import (
    LabelledStream,
    Order,
    class_after_class,
    drifting,
    in_order,
    of_classes,
    shuffled,
    two_at_a_time,
)
from streamlearner.bench.streams.suite.entry import Entry
from streamlearner.bench.streams.suite.grey_images import TESTED, Images, mnist

CIFAR10_READ = 6_000
"""Of the 20,000 training images that are at hand; those to test on are held out of them."""
CIFAR100_READ = 10_000
CIFAR100_CLASSES = 20


def cifar10(fixture: Fixture, rng: np.random.Generator, *, count: int) -> tuple[Dataset, Dataset]:
    whole = fixture.load_dataset("CIFAR10", True, CIFAR10_READ)
    order = rng.permutation(len(whole.labels))
    held = min(TESTED, len(order) // 4)
    return whole.select(order[held : held + count]), whole.select(order[:held])


def cifar10_stream(fixture: Fixture, rng: np.random.Generator, *, count: int, order: Order) -> LabelledStream:
    return in_order(*cifar10(fixture, rng, count=count), order, rng)


def cifar100_stream(fixture: Fixture, rng: np.random.Generator, *, order: Order) -> LabelledStream:
    """100 training images of each of 20 fine classes, drawn, and the test images of these."""
    classes = rng.permutation(100)[:CIFAR100_CLASSES]
    halves = (fixture.load_dataset("CIFAR100", train, CIFAR100_READ) for train in (True, False))
    training, test = (of_classes(half, classes) for half in halves)
    return in_order(training, test, order, rng)


def coloured(images: Images) -> Images:
    """Each digit in a colour of its own on a ground of its own: neither says which digit it is."""
    rng = np.random.default_rng(len(images))
    ink, ground = rng.integers(0, 256, (2, len(images), 1, 1, 3))
    covered = images[..., None] / 255.0
    found: Images = (covered * ink + (1 - covered) * ground).round().astype(np.uint8)
    return found


def coloured_stream(
    fixture: Fixture, rng: np.random.Generator, *, count: int, order: Order
) -> LabelledStream:
    return in_order(*mnist(fixture, rng, count=count, look=coloured), order, rng)


ENTRIES = (
    Entry(
        "cifar10-shuffled",
        "2,000 of CIFAR-10, shuffled",
        partial(cifar10_stream, count=2_000, order=shuffled),
        chosen_on=True,
    ),
    Entry(
        "cifar10-class",
        "2,000 of CIFAR-10, class after class",
        partial(cifar10_stream, count=2_000, order=class_after_class),
    ),
    Entry(
        "cifar10-drifting",
        "2,000 of CIFAR-10 in a drifting mixture",
        partial(cifar10_stream, count=2_000, order=drifting),
    ),
    Entry(
        "cifar100-tasks",
        "20 classes of CIFAR-100, 100 images of each, two classes at a time",
        partial(cifar100_stream, order=two_at_a_time),
    ),
    Entry(
        "mnist-coloured-tasks",
        "2,000 digits in any colour on any ground, two classes at a time",
        partial(coloured_stream, count=2_000, order=two_at_a_time),
    ),
)
