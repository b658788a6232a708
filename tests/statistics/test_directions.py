"""Numbers of an input: whole, small, the same for ever, and for any beginning of the directions."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from streamlearner.statistics.class_sums import HIGHEST
from streamlearner.statistics.directions import Directions

SHAPES = [(1, 8, 8), (1, 28, 28), (3, 32, 32), (1, 64, 64), (3, 128, 96), (2,), (30,), (784,)]


def inputs(shape: tuple[int, ...], count: int = 20, seed: int = 0) -> Tensor:
    chosen = torch.Generator().manual_seed(seed)
    if len(shape) == 3:
        return torch.randint(256, (count, *shape), generator=chosen, dtype=torch.uint8)
    return torch.randn(count, *shape, generator=chosen) * torch.logspace(-6, 6, shape[0])


def made(shape: tuple[int, ...], most: int = 40) -> Directions:
    found = Directions(input_shape=shape, most=most, seed=3)
    found.calibrate(inputs(shape))
    return found


@pytest.mark.parametrize("shape", SHAPES)
def test_numbers_are_whole_and_small_and_do_not_depend_on_the_batch(shape: tuple[int, ...]) -> None:
    directions, batch = made(shape), inputs(shape, seed=1)
    whole = directions(batch, count=40)
    assert whole.shape == (20, 40)
    assert whole.dtype == torch.int8
    assert int(whole.abs().max()) <= HIGHEST
    alone = torch.cat([directions(batch[i : i + 1], count=40) for i in range(20)])
    assert torch.equal(whole, alone)


@pytest.mark.parametrize("shape", SHAPES)
def test_every_beginning_is_a_beginning_of_the_whole(shape: tuple[int, ...]) -> None:
    directions, batch = made(shape), inputs(shape, seed=1)
    whole = directions(batch, count=40)
    for count in (0, 1, 7, 39):
        assert torch.equal(directions(batch, count=count), whole[:, :count])


def test_every_part_of_a_large_image_is_looked_at() -> None:
    directions, black = made((1, 64, 64)), torch.zeros(1, 1, 64, 64, dtype=torch.uint8)
    for top in range(0, 64, 16):
        for left in range(0, 64, 16):
            lit = black.clone()
            lit[:, :, top : top + 16, left : left + 16] = 255
            assert not torch.equal(directions(lit, count=40), directions(black, count=40)), (top, left)


def test_columns_of_wild_scales_all_tell_something() -> None:
    directions, batch = made((12,)), inputs((12,), seed=2)
    for column in range(12):
        moved = batch.clone()
        moved[:, column] = batch[:, column].flip(0)
        assert not torch.equal(directions(moved, count=40), directions(batch, count=40)), column


@pytest.mark.parametrize("absurd", [1e20, -3.4e38, float("inf"), float("nan")])
def test_an_absurd_value_in_the_first_batch_leaves_the_other_columns_as_they_were(absurd: float) -> None:
    batch = inputs((6,))
    struck = batch.clone()
    struck[0, 2] = absurd
    clean, other = (Directions(input_shape=(6,), most=6, seed=3) for _ in range(2))
    clean.calibrate(batch)
    other.calibrate(struck)
    one, two = (directions(batch[1:], count=6).int() for directions in (clean, other))
    assert int((one == two).all(0).sum()) >= 5
    assert int((one - two).abs().max()) <= 8, "a step of its own column's median"
