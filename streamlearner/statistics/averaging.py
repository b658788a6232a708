"""Images averaged over blocks to fewer values."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

Floats = NDArray[np.float64]


def side_within(shape: tuple[int, ...], most: int) -> tuple[int, int]:
    """Height and width, at most the image's, so that all channels together have at most `most` values."""
    channels, height, width = shape
    scale = min(1.0, math.sqrt(most / (channels * height * width)))
    return max(1, int(height * scale)), max(1, int(width * scale))


def averaged(images: Tensor, side: tuple[int, int]) -> Tensor:
    return images if images.shape[2:] == side else F.adaptive_avg_pool2d(images, side)


def averages(images: Tensor, side: tuple[int, int]) -> Floats:
    """Images [n, C, H, W] averaged to a height and a width, [n, values]: `averaged` but for rounding, by
    matrices, which takes a part of the time."""
    found = images.numpy().astype(np.float64)
    if (whole := found.shape[2:]) != side:
        rows, columns = (averaging(*each) for each in zip(whole, side, strict=True))
        found = rows @ found @ columns.T
    return found.reshape(len(found), math.prod(found.shape[1:]))


@lru_cache(maxsize=16)
def averaging(before: int, after: int) -> Floats:
    """The matrix [after, before] by which one side of an image is averaged."""
    each = torch.eye(before, dtype=torch.float64)[:, None, :]
    found: Floats = F.adaptive_avg_pool1d(each, after)[:, 0].T.numpy()
    found = np.ascontiguousarray(found)
    found.flags.writeable = False
    return found
