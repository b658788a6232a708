"""Images averaged by matrices give the same whole numbers as averaged block by block."""

from __future__ import annotations

import pytest
import torch

from streamlearner.statistics.averaging import averaged, averages, side_within
from streamlearner.statistics.directions import LEVELS, PROJECTED, TIE

SHAPES = [(1, 28, 28), (3, 32, 32), (1, 17, 23), (3, 5, 40), (1, 16, 16), (3, 64, 48)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("most", [PROJECTED, 64])
def test_halves_fall_the_same_way_however_images_are_averaged(shape: tuple[int, int, int], most: int) -> None:
    chance = torch.Generator().manual_seed(1)
    images = torch.randint(256, (40, *shape), generator=chance, dtype=torch.uint8)
    images[20:] = torch.where(images[20:] > 127, 255, 0).to(torch.uint8)  # halves are frequent among these
    side = side_within(shape, most)
    blocks = averaged(images.double(), side).flatten(1).numpy() / 255.0
    found = averages(images, side) / 255.0
    assert ((found * LEVELS + TIE).round() == (blocks * LEVELS + TIE).round()).all()
    assert abs(found - blocks).max() < 1e-14
