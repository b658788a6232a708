"""MNIST's digits turned to one of eight angles, with two factors as labels: category and viewpoint."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

from streamlearner.bench.kit.fixture import Dataset

CATEGORY, VIEWPOINT = "category", "viewpoint"
VIEWPOINTS = tuple(range(0, 360, 45))
"""Degrees, anticlockwise; the n-th image is turned by the (n mod 8)-th of them."""


def turned(dataset: Dataset) -> Dataset:
    """Each digit turned about its middle, the corners filled with black. Labels have both factors."""
    angles = [VIEWPOINTS[number % len(VIEWPOINTS)] for number in range(len(dataset.labels))]
    images = np.stack(
        [
            np.asarray(Image.fromarray(image).rotate(angle, Image.Resampling.BILINEAR))
            for image, angle in zip(dataset.images, angles, strict=True)
        ]
    )
    labels: list[Any] = [
        {CATEGORY: digit, VIEWPOINT: angle} for digit, angle in zip(dataset.labels, angles, strict=True)
    ]
    return Dataset(images, labels)


def in_colour(dataset: Dataset, *, side: int) -> Dataset:
    """Grey images [n, h, w] as [n, side, side, 3], with an equal black margin."""
    height, width = dataset.images.shape[1:]
    top, left = (side - height) // 2, (side - width) // 2
    margins = ((0, 0), (top, side - height - top), (left, side - width - left))
    grey = np.pad(dataset.images, margins)
    return Dataset(np.repeat(grey[..., None], 3, axis=3), dataset.labels, dataset.tasks)
