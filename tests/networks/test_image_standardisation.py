"""Images are standardised by the light of all that were seen."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from streamlearner.networks.base import Network
from streamlearner.networks.by_name import build_network
from streamlearner.networks.image_standardisation import ImageStandardisation


def images(count: int = 300, *, channels: int = 1) -> Tensor:
    drawn = torch.rand(count, channels, 16, 16, generator=torch.Generator().manual_seed(0))
    return 0.7 * (drawn > 0.4).float() + 0.1 * torch.arange(channels)[:, None, None]


def network(name: str = "lenet", shape: tuple[int, ...] = (1, 16, 16)) -> Network:
    return build_network(name=name, input_shape=shape, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("batch", [1, 7, 300])
def test_channels_have_mean_0_and_all_values_variance_1_however_they_came(batch: int) -> None:
    light, shown = ImageStandardisation(channels=3), images(channels=3)
    for part in shown.split(batch):
        light.update(part)
    found = light(shown)
    torch.testing.assert_close(found.mean((0, 2, 3)), torch.zeros(3), atol=1e-4, rtol=0.0)
    assert float(found.var()) == pytest.approx(1.0, abs=0.01)


def test_what_is_dark_on_white_looks_like_its_negative() -> None:
    light, inverted = ImageStandardisation(channels=1), ImageStandardisation(channels=1)
    light.update(images())
    inverted.update(1.0 - images())
    torch.testing.assert_close(inverted(1.0 - images()), -light(images()), atol=1e-3, rtol=1e-3)


def test_images_that_are_all_alike_are_not_enlarged_beyond_measure() -> None:
    light = ImageStandardisation(channels=1)
    light.update(torch.full((10, 1, 4, 4), 0.5))
    assert float(light(torch.full((1, 1, 4, 4), 0.51)).abs().max()) < 0.04


def test_a_network_standardises_only_once_it_is_asked_and_its_state_says_so() -> None:
    plain, shown = network(), images()
    plain.update_input_statistics(shown)
    assert not [name for name in plain.state_dict() if "image_standardisation" in name]
    asked = network()
    asked.standardise_images()
    asked.update_input_statistics(shown)
    assert not torch.equal(asked.features(shown), plain.features(shown))
    fresh, from_before = network(), network()
    from_before.standardise_images()
    fresh.load_state_dict(asked.state_dict())
    from_before.load_state_dict(plain.state_dict())  # as of 0.1.0
    assert torch.equal(fresh.features(shown), asked.features(shown))
    assert torch.equal(from_before.features(shown), plain.features(shown))


def test_what_normalises_itself_and_vectors_have_no_use_for_it() -> None:
    for one in (network("resnet18_reduced", (3, 9, 9)), network("mlp", (5,))):
        before = sorted(one.state_dict())
        one.standardise_images()
        assert sorted(one.state_dict()) == before
