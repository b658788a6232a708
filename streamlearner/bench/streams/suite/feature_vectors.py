"""Feature vectors of 2 to 784 values: tables, embeddings, clusters; one column in time order."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from streamlearner.bench.kit.fixture import Dataset, Fixture
from streamlearner.bench.material.feature_tables import (
    clusters,
    divided,
    moving_clusters,
    of_river,
    of_sklearn,
    projected,
    with_wild_scales,
)
from streamlearner.bench.material.labelled_stream import (
    LabelledStream,
    Order,
    class_after_class,
    class_numbers,
    examples,
    in_order,
    shuffled,
    two_at_a_time,
)
from streamlearner.bench.streams.suite.colour_images import cifar10
from streamlearner.bench.streams.suite.entry import Entry
from streamlearner.bench.streams.suite.grey_images import mnist

MOST, TESTED = 5_000, 1_000


def table_stream(fixture: Fixture, rng: np.random.Generator, *, name: str, order: Order) -> LabelledStream:
    """One of scikit-learn's."""
    return in_order(*divided(of_sklearn(name), rng, most=MOST, test=TESTED), order, rng)


def wild_stream(fixture: Fixture, rng: np.random.Generator, *, order: Order) -> LabelledStream:
    whole = with_wild_scales(of_sklearn("digits"), rng, noise=16)
    return in_order(*divided(whole, rng, most=MOST, test=TESTED), order, rng)


def river_stream(fixture: Fixture, rng: np.random.Generator, *, name: str, order: Order) -> LabelledStream:
    return in_order(*divided(of_river(name), rng, most=MOST, test=TESTED), order, rng)


def phishing_stream(fixture: Fixture, rng: np.random.Generator) -> LabelledStream:
    """In River's own order: the last tenth is the test."""
    whole = of_river("Phishing")
    end = len(whole.labels) * 9 // 10
    return LabelledStream(whole.select(np.arange(end)), whole.select(np.arange(end, len(whole.labels))))


def electricity_stream(fixture: Fixture, rng: np.random.Generator, *, most: int | None) -> LabelledStream:
    """In time order, so that nothing but what comes next is a test."""
    rows = fixture.load_csv("elec.csv")[:most]
    return LabelledStream(examples(rows[:, :-1].astype(np.float32), rows[:, -1].astype(np.int64)), None)


def clusters_stream(
    fixture: Fixture, rng: np.random.Generator, *, classes: int, each: int, order: Order
) -> LabelledStream:
    """Five more of each class are the test."""
    whole = clusters(rng, classes=classes, each=each + 5, values=32, apart=1.0)
    tested = np.arange(len(whole.labels)) % (each + 5) >= each
    training, test = whole.select(np.flatnonzero(~tested)), whole.select(np.flatnonzero(tested))
    return in_order(training, test, order, rng)


def moving_stream(fixture: Fixture, rng: np.random.Generator) -> LabelledStream:
    """In time order: the test is half of the last tenth."""
    whole = moving_clusters(rng, classes=5, count=4_200, values=8)
    late = np.arange(3_800, 4_200)
    training = np.setdiff1d(np.arange(4_200), late[1::2])
    return LabelledStream(whole.select(training), whole.select(late[1::2]))


def mnist_vectors(
    fixture: Fixture,
    rng: np.random.Generator,
    *,
    count: int,
    order: Order,
    of: Callable[[NDArray[np.uint8]], NDArray[np.float32]],
) -> LabelledStream:
    """MNIST, each image made a vector."""
    training, test = (
        examples(of(part.images), class_numbers(part)) for part in mnist(fixture, rng, count=count)
    )
    return in_order(training, test, order, rng)


def flat(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """784 values of 0 to 255."""
    return images.reshape(len(images), -1).astype(np.float32)


def principal_stream(
    fixture: Fixture, rng: np.random.Generator, *, count: int, order: Order
) -> LabelledStream:
    """CIFAR-10 along the 64 principal components of other images."""
    from sklearn.decomposition import PCA

    training, test = cifar10(fixture, rng, count=2 * count)
    flat = [part.images.reshape(len(part.labels), -1) / 255.0 for part in (training, test)]
    half = len(training.labels) // 2
    components = PCA(min(64, half), random_state=0).fit(flat[0][half:])
    learned, tested = (components.transform(part).astype(np.float32) for part in (flat[0][:half], flat[1]))
    return in_order(Dataset(learned, training.labels[:half]), Dataset(tested, test.labels), order, rng)


ENTRIES = (
    Entry(
        "wine-class",
        "wine, 13 values, class after class",
        partial(table_stream, name="wine", order=class_after_class),
        chosen_on=True,
        for_river=True,
    ),
    Entry(
        "breast-cancer-class",
        "breast cancer, 30 values of any scale, class after class",
        partial(table_stream, name="breast_cancer", order=class_after_class),
        chosen_on=True,
        for_river=True,
    ),
    Entry(
        "breast-cancer-shuffled",
        "the same, shuffled",
        partial(table_stream, name="breast_cancer", order=shuffled),
        for_river=True,
    ),
    Entry(
        "electricity-5000",
        "the first 5,000 of electricity, 6 values, in time order",
        partial(electricity_stream, most=5_000),
        chosen_on=True,
        tested=False,
        for_river=True,
    ),
    Entry(
        "electricity",
        "all 45,312 of electricity, in time order",
        partial(electricity_stream, most=None),
        tested=False,
        for_river=True,
    ),
    Entry(
        "digits-wild-class",
        "64 values of digits times 1e-3 to 1e3 and 16 of noise of scale 1e3, class after class",
        partial(wild_stream, order=class_after_class),
        for_river=True,
    ),
    Entry(
        "digits-wild-shuffled",
        "the same, shuffled",
        partial(wild_stream, order=shuffled),
        for_river=True,
    ),
    Entry(
        "bananas",
        "River's Bananas, 2 values, shuffled",
        partial(river_stream, name="Bananas", order=shuffled),
        for_river=True,
    ),
    Entry("phishing", "River's Phishing, 9 values, in its order", phishing_stream, for_river=True),
    Entry(
        "segments-class",
        "River's ImageSegments, 18 values of any scale, class after class",
        partial(river_stream, name="ImageSegments", order=class_after_class),
        for_river=True,
    ),
    Entry(
        "clusters-300-class",
        "300 normal distributions in 32 dimensions, 20 draws of each, class after class",
        partial(clusters_stream, classes=300, each=20, order=class_after_class),
    ),
    Entry(
        "clusters-30-shuffled",
        "30 of them, 100 draws of each, shuffled",
        partial(clusters_stream, classes=30, each=100, order=shuffled),
        for_river=True,
    ),
    Entry(
        "clusters-moving",
        "5 normal distributions that move, 8 values, in time order",
        moving_stream,
        for_river=True,
    ),
    Entry(
        "mnist-784-values",
        "4,000 of MNIST as vectors of 0 to 255, class after class",
        partial(mnist_vectors, count=4_000, order=class_after_class, of=flat),
    ),
    Entry(
        "mnist-embedding-tasks",
        "4,000 of MNIST through a random projection and ReLU, 256 values, two classes at a time",
        partial(mnist_vectors, count=4_000, order=two_at_a_time, of=partial(projected, values=256)),
    ),
    Entry(
        "cifar10-components-class",
        "2,000 of CIFAR-10 along 64 principal components of others, class after class",
        partial(principal_stream, count=2_000, order=class_after_class),
        for_river=True,
    ),
)
