"""Streams made of MNIST: digits under permutations, or mirrored and turned (paper 001, section 4)."""

from __future__ import annotations

import numpy as np

from streamlearner.bench.workbench import Pictures

PERMUTATIONS = 6
PERMUTATION_SEED = 1_000_033
"""The pixels of both halves are permuted alike, whatever the seed of a run."""
TRANSFORMS = ("upright", "mirrored", "upside down", "turned")


def permuted(pictures: Pictures) -> Pictures:
    """Each image under one of six orders of its pixels, in turns; the first is as it was. The order is its
    task, the digit its class."""
    images, count = pictures.images.copy(), len(pictures.labels)
    chance = np.random.default_rng(PERMUTATION_SEED)
    flat = images.reshape(count, -1)
    for task in range(1, PERMUTATIONS):
        order = chance.permutation(flat.shape[1])
        flat[task::PERMUTATIONS] = flat[task::PERMUTATIONS][:, order]
    tasks = [f"permutation {number % PERMUTATIONS}" for number in range(count)]
    return Pictures(images, pictures.labels, tasks)


def transformed(pictures: Pictures) -> Pictures:
    """Each image upright, mirrored, upside down or turned by half, in turns: 40 classes, class = digit + 10
    times the transform."""
    images, step = pictures.images.copy(), len(TRANSFORMS)
    images[1::step] = images[1::step, :, ::-1]
    images[2::step] = images[2::step, ::-1]
    images[3::step] = images[3::step, ::-1, ::-1]
    labels = [int(label) + 10 * (number % step) for number, label in enumerate(pictures.labels)]
    return Pictures(images, list(labels))
