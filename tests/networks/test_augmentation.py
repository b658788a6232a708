"""Augmentation changes where things are shown, never what is shown."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from streamlearner.networks.augmentation import Augmentation


def augmentation(
    *, shift_pixels: int = 0, rotation_degrees: float = 0.0, scaling: float = 0.0, flip: bool = False
) -> Augmentation:
    return Augmentation(
        shift_pixels=shift_pixels, rotation_degrees=rotation_degrees, scaling=scaling, flip=flip
    )


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(count: int = 40, *, depth: int = 3, side: int = 9, margin: int = 0) -> Tensor:
    drawn = torch.rand(count, depth, side, side, generator=rng(7)) + 0.1
    inside = torch.zeros(side, side)
    inside[margin : side - margin, margin : side - margin] = 1.0
    return drawn * inside


def moved(image: Tensor, down: int, across: int) -> Tensor:
    """With the edge where nothing comes in."""
    rows, columns = (torch.arange(side) for side in image.shape[-2:])
    from_rows = (rows - down).clamp(0, len(rows) - 1)
    return image[..., from_rows, :][..., (columns - across).clamp(0, len(columns) - 1)]


@pytest.mark.parametrize(
    "every", [augmentation(), augmentation(shift_pixels=3, rotation_degrees=9.0, flip=True)]
)
def test_feature_vectors_and_empty_batches_pass_and_draw_nothing(every: Augmentation) -> None:
    generator = rng()
    for inputs in (torch.rand(4, 6, generator=rng(1)), images(0)):
        assert every(inputs, generator=generator) is inputs
    assert torch.equal(generator.get_state(), rng().get_state())


def test_nothing_asked_changes_nothing() -> None:
    shown = images()
    assert torch.equal(augmentation()(shown, generator=rng()), shown)


def test_a_shift_is_exact_and_each_image_has_its_own() -> None:
    shown, shift = images(), 2
    seen = set()
    for before, after in zip(shown, augmentation(shift_pixels=shift)(shown, generator=rng()), strict=True):
        fits = [
            (down, across)
            for down in range(-shift, shift + 1)
            for across in range(-shift, shift + 1)
            if torch.equal(after, moved(before, down, across))
        ]
        assert len(fits) == 1
        seen.add(fits[0])
    assert {down for down, _ in seen} == {across for _, across in seen} == {-2, -1, 0, 1, 2}


def test_a_flip_mirrors_about_half_of_the_images_and_leaves_the_others() -> None:
    shown = images(200)
    flipped = augmentation(flip=True)(shown, generator=rng())
    mirrored = (flipped == shown.flip(-1)).flatten(1).all(1)
    assert (mirrored | (flipped == shown).flatten(1).all(1)).all()
    assert 70 < int(mirrored.sum()) < 130


def test_a_shift_with_a_flip_keeps_all_that_stays_inside() -> None:
    shown = images(margin=2)
    changed = augmentation(shift_pixels=2, flip=True)(shown, generator=rng())
    assert torch.equal(changed.flatten(1).sort().values, shown.flatten(1).sort().values)


def test_resampling_moves_the_content_a_little_and_keeps_its_amount() -> None:
    shown = torch.ones(60, 1, 16, 16)
    shown[..., :5, :] = shown[..., 11:, :] = shown[..., :5] = shown[..., 11:] = 0.0
    changed = augmentation(shift_pixels=2, rotation_degrees=15.0)(shown, generator=rng())
    assert changed.shape == shown.shape
    assert 0.0 <= float(changed.min()) <= float(changed.max()) <= 1.0 + 1e-6
    assert torch.allclose(changed.sum((1, 2, 3)), shown.sum((1, 2, 3)), rtol=0.02)
    assert not torch.equal(changed, shown)


def test_scaling_grows_and_shrinks_within_its_bounds() -> None:
    shown = torch.zeros(80, 1, 33, 33)
    shown[..., 12:21, 12:21] = 1.0
    amount = augmentation(scaling=0.2)(shown, generator=rng()).sum((1, 2, 3)) / 81
    assert 0.66 < float(amount.min()) < 0.8 < 1.3 < float(amount.max()) < 1.65


def test_a_resampled_flip_mirrors_half() -> None:
    shown = torch.zeros(200, 1, 12, 12)
    shown[..., :6] = 1.0
    changed = augmentation(rotation_degrees=1.0, flip=True)(shown, generator=rng())
    right = changed[..., 6:].sum((1, 2, 3)) > changed[..., :6].sum((1, 2, 3))
    assert 70 < int(right.sum()) < 130


@pytest.mark.parametrize(
    "every", [augmentation(shift_pixels=2, flip=True), augmentation(scaling=0.1, rotation_degrees=5)]
)
def test_only_the_generator_given_is_drawn_from(every: Augmentation) -> None:
    before, shown = torch.get_rng_state(), images()
    one, other, third = (every(shown, generator=rng(seed)) for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(one, other)
    assert not torch.equal(one, third)
    assert torch.equal(shown, images())


@pytest.mark.parametrize(
    "every", [augmentation(shift_pixels=3, flip=True), augmentation(scaling=0.2, rotation_degrees=15)]
)
def test_a_ground_that_is_not_black_has_no_black_edge(every: Augmentation) -> None:
    shown = torch.full((40, 3, 12, 12), 0.9)
    shown[..., 4:8, 4:8] = 0.2
    changed = every(shown, generator=rng())
    assert float(changed.min()) >= 0.2 - 1e-6
    assert torch.allclose(changed[..., 0, :], torch.tensor(0.9))
