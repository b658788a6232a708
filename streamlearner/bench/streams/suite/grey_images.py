"""Grey images of 7 x 7 to 128 x 128: digits and characters, inverted, moved, pooled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from streamlearner.bench.kit.fixture import Dataset, Fixture
from streamlearner.bench.material.feature_tables import divided, of_sklearn
from streamlearner.bench.material.labelled_stream import (
    LabelledStream,
    Order,
    class_after_class,
    class_numbers,
    drifting,
    examples,
    in_order,
    of_classes,
    shuffled,
    two_at_a_time,
)
from streamlearner.bench.streams.suite.entry import Entry

Images = NDArray[np.uint8]
Look = Callable[[Images], Images]
TESTED = 2_000


def mnist(
    fixture: Fixture,
    rng: np.random.Generator,
    *,
    count: int,
    classes: Sequence[int] = range(10),
    look: Look | None = None,
) -> tuple[Dataset, Dataset]:
    """`count` training images of some classes, drawn, and the first test images of them."""
    return (
        _part(fixture.load_dataset("MNIST", True), classes, look, count, rng),
        _part(fixture.load_dataset("MNIST", False), classes, look, TESTED, None),
    )


def _part(
    whole: Dataset,
    classes: Sequence[int],
    look: Look | None,
    most: int,
    rng: np.random.Generator | None,
) -> Dataset:
    order = np.arange(len(whole.labels)) if rng is None else rng.permutation(len(whole.labels))
    found = of_classes(whole.select(order), classes)
    chosen = found.select(np.arange(min(most, len(found.labels))))
    return examples(look(chosen.images), class_numbers(chosen)) if look else chosen


# looks


def inverted(images: Images) -> Images:
    """Dark on white."""
    return 255 - images


def pooled(images: Images, *, by: int) -> Images:
    count, height, width = images.shape
    blocks = images.reshape(count, height // by, by, width // by, by)
    found: Images = blocks.mean((2, 4)).round().astype(np.uint8)
    return found


def at_the_bottom(images: Images, *, side: int, enlarged: int = 1) -> Images:
    """In the middle of the lower edge of a black square."""
    large = images.repeat(enlarged, axis=1).repeat(enlarged, axis=2)
    count, height, width = large.shape
    canvas = np.zeros((count, side, side), dtype=np.uint8)
    left = (side - width) // 2
    canvas[:, side - height :, left : left + width] = large
    return canvas


def scattered(images: Images, *, side: int) -> Images:
    """Each somewhere else on a black square."""
    rng = np.random.default_rng(len(images))
    count, height, width = images.shape
    canvas = np.zeros((count, side, side), dtype=np.uint8)
    for number, (top, left) in enumerate(rng.integers(0, side - height + 1, (count, 2))):
        canvas[number, top : top + height, left : left + width] = images[number]
    return canvas


# streams


def mnist_stream(
    fixture: Fixture,
    rng: np.random.Generator,
    *,
    count: int,
    order: Order,
    classes: Sequence[int] = range(10),
    look: Look | None = None,
) -> LabelledStream:
    return in_order(*mnist(fixture, rng, count=count, classes=classes, look=look), order, rng)


def digits_of_8x8(
    rng: np.random.Generator, *, most: int, look: Look | None = None
) -> tuple[Dataset, Dataset]:
    """scikit-learn's 1,797 digits as images 8 x 8 of 0 to 255, in two parts."""
    whole = of_sklearn("digits")
    images = (whole.images.reshape(-1, 8, 8) * 15.9375).astype(np.uint8)
    return divided(Dataset(look(images) if look else images, whole.labels), rng, most=most, test=400)


def digits_stream(
    fixture: Fixture,
    rng: np.random.Generator,
    *,
    order: Order,
    most: int = 1_400,
    look: Look | None = None,
) -> LabelledStream:
    return in_order(*digits_of_8x8(rng, most=most, look=look), order, rng)


def omniglot_stream(
    fixture: Fixture, rng: np.random.Generator, *, order: Order, classes: int | None = None
) -> LabelledStream:
    """Characters of eight alphabets, 15 drawings each to learn and 5 to test."""
    training, test = (fixture.load_dataset("Omniglot", train) for train in (True, False))
    wanted = range(classes or 1 + int(class_numbers(training).max()))
    return in_order(of_classes(training, wanted), of_classes(test, wanted), order, rng)


ENTRIES = (
    Entry(
        "digits-200-shuffled",
        "200 digits of 8x8",
        partial(digits_stream, order=shuffled, most=200),
        chosen_on=True,
    ),
    Entry(
        "digits-class",
        "1,350 digits of 8x8, class after class",
        partial(digits_stream, order=class_after_class),
        chosen_on=True,
    ),
    Entry(
        "digits-inverted-tasks",
        "the same dark on white, two classes at a time",
        partial(digits_stream, order=two_at_a_time, look=inverted),
    ),
    Entry(
        "mnist-class",
        "4,000 of MNIST, class after class",
        partial(mnist_stream, count=4_000, order=class_after_class),
        chosen_on=True,
    ),
    Entry(
        "mnist-inverted-class",
        "the same dark on white",
        partial(mnist_stream, count=4_000, order=class_after_class, look=inverted),
        chosen_on=True,
    ),
    Entry(
        "mnist-64x64-bottom",
        "2,000 digits 0 to 3 at the bottom of 64x64, class after class",
        partial(
            mnist_stream,
            count=2_000,
            order=class_after_class,
            classes=range(4),
            look=partial(at_the_bottom, side=64),
        ),
        chosen_on=True,
    ),
    Entry(
        "mnist-128x128-bottom",
        "1,000 digits of twice the size at the bottom of 128x128, two classes at a time",
        partial(
            mnist_stream, count=1_000, order=two_at_a_time, look=partial(at_the_bottom, side=128, enlarged=2)
        ),
    ),
    Entry(
        "mnist-40x40-scattered",
        "4,000 digits anywhere on 40x40, shuffled",
        partial(mnist_stream, count=4_000, order=shuffled, look=partial(scattered, side=40)),
    ),
    Entry(
        "mnist-14x14-tasks",
        "5,000 of MNIST pooled to 14x14, two classes at a time",
        partial(mnist_stream, count=5_000, order=two_at_a_time, look=partial(pooled, by=2)),
    ),
    Entry(
        "mnist-drifting",
        "4,000 of MNIST in a drifting mixture",
        partial(mnist_stream, count=4_000, order=drifting),
    ),
    Entry(
        "mnist-tasks",
        "10,000 of MNIST, two classes at a time",
        partial(mnist_stream, count=10_000, order=two_at_a_time),
    ),
    Entry(
        "mnist-60000", "all of MNIST, shuffled", partial(mnist_stream, count=60_000, order=shuffled)
    ),
    Entry(
        "omniglot-class",
        "242 characters, 15 drawings of each, class after class",
        partial(omniglot_stream, order=class_after_class),
    ),
    Entry(
        "omniglot-50-shuffled",
        "50 characters, 15 drawings of each, shuffled",
        partial(omniglot_stream, order=shuffled, classes=50),
    ),
)  # fmt: skip
"""Lengths: 200 to 60,000."""
