"""Feature vectors [n, d] float32 with class numbers: what scikit-learn and River bring along, and draws."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamlearner.bench.kit.fixture import Dataset
from streamlearner.bench.material.labelled_stream import Indices, examples
from streamlearner.errors import StreamlearnerError


class RiverIsAbsent(StreamlearnerError):
    """River is not installed."""

    def __init__(self) -> None:
        super().__init__("River is not installed: pip install 'streamlearner[peers]'")


def river_is_installed() -> bool:
    return importlib.util.find_spec("river") is not None


def of_sklearn(name: str) -> Dataset:
    """`iris`, `wine`, `breast_cancer` or `digits` (whose 64 values are images of 8 x 8)."""
    from sklearn import datasets

    values, labels = getattr(datasets, f"load_{name}")(return_X_y=True)
    return examples(values.astype(np.float32), labels)


def of_river(name: str) -> Dataset:
    """`Bananas`, `Phishing` or `ImageSegments`, in River's order. Raises RiverIsAbsent."""
    if not river_is_installed():
        raise RiverIsAbsent
    from river import datasets

    rows: list[tuple[dict[str, float], Any]] = list(getattr(datasets, name)())
    numbers = np.unique([str(label) for _, label in rows], return_inverse=True)[1]
    values = np.array([list(row.values()) for row, _ in rows], dtype=np.float32)
    return examples(values, numbers)


def clusters(rng: np.random.Generator, *, classes: int, each: int, values: int, apart: float) -> Dataset:
    """`each` draws of `classes` normal distributions, whose means are `apart` standard deviations wide."""
    means = apart * rng.standard_normal((classes, values))
    labels = np.repeat(np.arange(classes), each)
    drawn = means[labels] + rng.standard_normal((len(labels), values))
    return examples(drawn.astype(np.float32), labels)


def moving_clusters(rng: np.random.Generator, *, classes: int, count: int, values: int) -> Dataset:
    """`count` draws in time order of normal distributions whose means walk from one place to another, so that
    none ends where it began."""
    start, end = 2.0 * rng.standard_normal((2, classes, values))
    labels = rng.integers(classes, size=count)
    time = np.linspace(0, 1, count)[:, None]
    drawn = (1 - time) * start[labels] + time * end[labels] + rng.standard_normal((count, values))
    return examples(drawn.astype(np.float32), labels)


def thresholds(rng: np.random.Generator, *, count: int) -> NDArray[np.float32]:
    """Three values of 0 to 10 (SEA; Street and Kim, 2001): the sum of the first two is what counts."""
    return rng.uniform(0, 10, (count, 3)).astype(np.float32)


def with_wild_scales(dataset: Dataset, rng: np.random.Generator, *, noise: int) -> Dataset:
    """Each column times a power of ten from 1e-3 to 1e3, and `noise` columns more of pure noise of scale
    1e3."""
    values = dataset.images * 10.0 ** rng.uniform(-3, 3, dataset.images.shape[1])
    added = 1e3 * rng.standard_normal((len(values), noise))
    return Dataset(np.hstack([values, added]).astype(np.float32), dataset.labels)


def projected(images: NDArray[np.uint8], *, values: int) -> NDArray[np.float32]:
    """What a fixed random projection and a ReLU make of images: an embedding that knows nothing."""
    flat = images.reshape(len(images), -1) / 255.0 - 0.5
    directions = np.random.default_rng(7).standard_normal((flat.shape[1], values)) / np.sqrt(flat.shape[1])
    found: NDArray[np.float32] = np.maximum(flat @ directions, 0).astype(np.float32)
    return found


def divided(dataset: Dataset, rng: np.random.Generator, *, most: int, test: int) -> tuple[Dataset, Dataset]:
    """`test` examples drawn to test on, at most a quarter, and at most `most` others to learn from."""
    drawn: Indices = rng.permutation(len(dataset.labels))
    held = min(test, len(drawn) // 4)
    return dataset.select(drawn[held : held + most]), dataset.select(drawn[:held])
