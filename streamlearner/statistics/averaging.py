"""Images averaged over blocks to fewer values."""

from __future__ import annotations

import math

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


def averaging(before: int, after: int) -> Floats:
    """The matrix [after, before] by which one side of an image is averaged."""
    each = torch.eye(before, dtype=torch.float64)[:, None, :]
    found: Floats = F.adaptive_avg_pool1d(each, after)[:, 0].T.numpy()
    return np.ascontiguousarray(found)
