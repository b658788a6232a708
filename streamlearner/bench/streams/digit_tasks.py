"""Tasks made of MNIST: digits with changed centres, permuted, mirrored, upside down (paper 001)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streamlearner.bench.kit.fixture import Dataset

PERMUTATIONS = 6
PERMUTATION_SEED = 1_000_033
"""Of its own, so that training and test images are permuted alike, whatever the seed of a trial."""
PERMNIST_TASKS = (
    "1 as it is",
    "2 centre black",
    "3 centre white",
    "4 centre permuted",
    "5 wide centre permuted",
    "6 mirrored",
)
"""The tasks, in the order of their names. The centre has 8 x 8 pixels, the wide one 12 x 12."""
TRANSFORMS = ("upright", "mirrored", "upside down", "over the diagonal")


def permuted(dataset: Dataset) -> Dataset:
    """The n-th image with its pixels in the (n mod 6)-th of six orders, of which the first changes nothing.
    The order is its task, the digit its class."""
    images, count = dataset.images.copy(), len(dataset.labels)
    rng = np.random.default_rng(PERMUTATION_SEED)
    flat = images.reshape(count, -1)
    for task in range(1, PERMUTATIONS):
        order = rng.permutation(flat.shape[1])
        flat[task::PERMUTATIONS] = flat[task::PERMUTATIONS][:, order]
    tasks = [f"permutation {number % PERMUTATIONS}" for number in range(count)]
    return Dataset(images, dataset.labels, tasks)


def permnist(dataset: Dataset) -> Dataset:
    """The n-th image changed in the (n mod 6)-th of six ways: Permnist (paper 001, appendix 8.1). The way is
    its task, the digit its class."""
    images, count = dataset.images.copy(), len(dataset.labels)
    rng, ways = np.random.default_rng(PERMUTATION_SEED), len(PERMNIST_TASKS)
    narrow, wide = _centre(images, 8), _centre(images, 12)
    narrow[1::ways] = 0
    narrow[2::ways] = 255
    for centre, way in ((narrow, 3), (wide, 4)):
        side = centre.shape[1]
        order = rng.permutation(side * side)
        centre[way::ways] = centre[way::ways].reshape(-1, side * side)[:, order].reshape(-1, side, side)
    images[5::ways] = images[5::ways, :, ::-1]
    return Dataset(images, dataset.labels, [PERMNIST_TASKS[number % ways] for number in range(count)])


def _centre(images: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """The middle `side` x `side` pixels of all images, as a view."""
    top, left = (images.shape[1] - side) // 2, (images.shape[2] - side) // 2
    return images[:, top : top + side, left : left + side]


def transformed(dataset: Dataset) -> Dataset:
    """The n-th image unchanged, mirrored, upside down or reflected about its main diagonal, by n mod 4 (paper
    001, appendix 8.1): 40 classes, class = digit + 10 times the transform."""
    images, step = dataset.images.copy(), len(TRANSFORMS)
    images[1::step] = images[1::step, :, ::-1]
    images[2::step] = images[2::step, ::-1]
    images[3::step] = images[3::step].transpose(0, 2, 1)
    labels = [int(label) + 10 * (number % step) for number, label in enumerate(dataset.labels)]
    return Dataset(images, list(labels))
