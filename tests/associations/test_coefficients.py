"""The separable transform: orthonormal, invertible, and a prior with the coarse coefficients first."""

from __future__ import annotations

import pytest
import torch

from streamlearner.associations.coefficients import SeparableTransform
from tests.support.associations import SHAPES, inputs_of

ALL = 10_000


@pytest.mark.parametrize("shape", SHAPES)
def test_all_coefficients_give_the_input_back_and_keep_its_energy(shape: tuple[int, ...]) -> None:
    transform = SeparableTransform(input_shape=shape, candidates=ALL, thumbnail_pixels=0)
    inputs = inputs_of(shape)
    values = transform(inputs)
    torch.testing.assert_close(transform.inverse(values), inputs, atol=1e-5, rtol=0.0)
    torch.testing.assert_close(
        values.square().sum(1), inputs.flatten(1).square().sum(1), rtol=1e-4, atol=1e-4
    )


def test_thumbnails_are_the_means_of_blocks_and_of_what_is_left_at_the_edge() -> None:
    transform = SeparableTransform(input_shape=(1, 4, 5), candidates=ALL, thumbnail_pixels=2)
    image = torch.rand(1, 1, 4, 5, generator=torch.Generator().manual_seed(0))
    back = transform.inverse(transform(image))
    for rows in (slice(0, 2), slice(2, 4)):
        for columns in (slice(0, 2), slice(2, 4), slice(4, 5)):
            block, mean = back[0, 0, rows, columns], image[0, 0, rows, columns].mean()
            torch.testing.assert_close(block, mean.expand_as(block))


def test_the_prior_expects_grey_images_and_the_coarse_to_vary_most() -> None:
    transform = SeparableTransform(input_shape=(3, 8, 8), candidates=50, thumbnail_pixels=0)
    assert transform.variance.shape == transform.mean.shape == (50,)
    assert transform.order[0] == 0  # brightness of the whole image
    assert (transform.variance.diff() <= 0).all()
    grey = transform.inverse(transform.mean[None])
    torch.testing.assert_close(grey, torch.full((1, 3, 8, 8), 0.5))


def test_images_are_clamped_and_features_are_not() -> None:
    image = SeparableTransform(input_shape=(1, 2, 2), candidates=ALL, thumbnail_pixels=0)
    assert image.inverse(torch.full((1, 4), 9.0)).max() == 1.0
    features = SeparableTransform(input_shape=(4,), candidates=4, thumbnail_pixels=0)
    assert features.inverse(torch.full((1, 4), 9.0)).max() == 9.0
