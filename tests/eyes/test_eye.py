"""An eye turns images into feature vectors, always the same, and never learns."""

from __future__ import annotations

import threading

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from streamlearner.errors import ConfigError
from streamlearner.eyes.by_name import build_eye
from streamlearner.eyes.eye import AT_ONCE, Sight, check_same
from tests.support.eyes import FEATURES, tiny

TINY, OTHER = "tests.support.eyes:tiny", "tests.support.eyes:other"


def pictures(count: int, *, channels: int = 3, side: int = 20, seed: int = 0) -> Tensor:
    draw = torch.Generator().manual_seed(seed)
    return torch.randint(256, (count, channels, side, side), generator=draw, dtype=torch.uint8)


def test_maps_are_averaged_over_places() -> None:
    eye = build_eye(TINY, mean=[0.0] * 3, deviation=[1.0] * 3)
    shown = pictures(4, side=16)
    by_hand = tiny().eval()(shown.float() / 255).mean((2, 3))
    assert eye.features == FEATURES
    assert torch.allclose(eye.see(shown), by_hand, atol=1e-5)


def test_an_image_is_seen_alike_in_a_batch_of_any_size() -> None:
    eye, shown = build_eye("tests.support.eyes:Fickle"), pictures(40)
    together = eye.see(shown, alike=True)
    for size in (1, 7, 15, 16, 39):
        seen = torch.cat([eye.see(part, alike=True) for part in shown.split(size)])
        assert torch.equal(seen, together)
    assert not torch.equal(eye.see(shown[:7]), together[:7]), "answers do not wait for others"
    assert eye.see(shown[:0], alike=True).shape == (0, FEATURES)


@pytest.mark.parametrize("places", [2, 3, 7])
def test_maps_are_kept_as_maps_of_so_many_places(places: int) -> None:
    """Of 7 x 7: 2 and 3 do not divide it."""
    eye = build_eye(TINY, mean=[0.0] * 3, deviation=[1.0] * 3, places=places)
    shown = pictures(4, side=16)
    by_hand = F.adaptive_avg_pool2d(tiny().eval()(shown.float() / 255), places)
    assert eye.features == FEATURES * places**2
    assert torch.allclose(eye.see(shown), by_hand.flatten(1), atol=1e-5)
    assert torch.equal(build_eye(TINY, places=1).see(shown), build_eye(TINY).see(shown))


def test_a_rule_for_the_places_is_told_of_the_maps_and_is_as_good_as_its_number() -> None:
    asked: list[tuple[int, int]] = []

    def rule(channels: int, most: int) -> int:
        asked.append((channels, most))
        return 3

    eye, shown = build_eye(TINY, places=rule), pictures(4)
    assert asked == [(FEATURES, 7)]
    assert torch.equal(eye.see(shown), build_eye(TINY, places=3).see(shown))
    assert eye.digest == build_eye(TINY, places=3).digest
    assert build_eye("tests.support.eyes:Tokens", places=rule).places == 1, "tokens have no places"
    with pytest.raises(ConfigError, match="no finite features"):
        build_eye("tests.support.eyes:endless", places=rule)


@pytest.mark.parametrize(("name", "places"), [(TINY, 8), ("tests.support.eyes:Tokens", 2)])
def test_more_places_than_a_map_has_are_refused(name: str, places: int) -> None:
    with pytest.raises(ConfigError, match=f"eye.places is {places}, but the eye gives"):
        build_eye(name, places=places)


def test_tokens_are_averaged_and_a_network_says_its_own_sight() -> None:
    eye = build_eye("tests.support.eyes:Tokens")
    assert eye.sight == Sight(8, (0.5, 0.5, 0.5), (0.5, 0.25, 1.0))
    white = torch.full((1, 3, 8, 8), 255, dtype=torch.uint8)
    assert torch.allclose(eye.see(white), torch.tensor([[1.0, 2.0, 0.5, 1.0, 2.0, 0.5]]))


def test_a_grey_image_is_seen_as_one_of_three_equal_channels() -> None:
    eye, grey = build_eye(TINY), pictures(3, channels=1)
    assert torch.equal(eye.see(grey), eye.see(grey.expand(-1, 3, -1, -1)))


def test_images_of_any_size_are_seen() -> None:
    eye = build_eye(TINY)
    for side in (1, 7, 16, 50):
        assert eye.see(pictures(2, side=side)).shape == (2, FEATURES)


def test_large_batches_are_seen_in_parts_and_none_is_lost() -> None:
    eye, many = build_eye(TINY), pictures(AT_ONCE + 3, side=16)
    seen = eye.see(many)
    assert len(seen) == len(many)
    assert torch.allclose(seen[-1], eye.see(many[-1:])[0], atol=1e-5)


def test_what_is_seen_can_be_learned_from() -> None:
    weight = torch.zeros(FEATURES, requires_grad=True)
    (build_eye(TINY).see(pictures(2)) @ weight).sum().backward()
    assert weight.grad is not None


def test_a_mirrored_sight_is_the_mean_of_both() -> None:
    once, both, shown = build_eye(TINY), build_eye(TINY, mirrored=True), pictures(3, side=16)
    expected = (once.see(shown) + once.see(shown.flip(3))) / 2
    assert torch.allclose(both.see(shown), expected, atol=1e-5)
    assert torch.allclose(both.see(shown), both.see(shown.flip(3)), atol=1e-5)


def test_any_change_of_weights_sight_or_cut_is_another_eye() -> None:
    eyes = [
        build_eye(TINY), build_eye(OTHER), build_eye(TINY, input_size=18), build_eye(TINY, mean=[0.1] * 3),
        build_eye(TINY, deviation=[0.3] * 3), build_eye(TINY, layer="0"),
        build_eye(TINY, mirrored=True), build_eye(TINY, places=2),
    ]  # fmt: skip
    assert len({eye.digest for eye in eyes}) == len(eyes)
    assert build_eye(TINY).digest == build_eye(TINY, places=1).digest == eyes[0].digest


def test_a_cut_gives_what_its_layer_gives_in_every_thread() -> None:
    whole, cut = build_eye(TINY, mean=[0.0] * 3, deviation=[1.0] * 3), build_eye(TINY, layer="0")
    assert float(whole.see(pictures(4)).min()) >= 0 > float(cut.see(pictures(4)).min())
    expected = [cut.see(pictures(3, seed=seed)) for seed in range(8)]
    found: dict[int, Tensor] = {}
    threads = [
        threading.Thread(target=lambda seed=seed: found.update({seed: cut.see(pictures(3, seed=seed))}))
        for seed in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(torch.allclose(found[seed], expected[seed]) for seed in range(8))


def test_parameters_are_counted_in_bits() -> None:
    assert build_eye(TINY).parameter_bits == 32 * (3 * FEATURES * 9 + FEATURES)


@pytest.mark.parametrize(
    ("name", "layer", "said"),
    [
        ("tests.support.eyes:endless", None, "no finite features"),
        ("tests.support.eyes:no_module", None, "made a str; expected a torch.nn.Module"),
        ("tests.support.eyes:broken", None, "RuntimeError: no weights here"),
        ("tests.support.eyes:absent", None, "has no absent"),
        (TINY, "9", "there is no 9; there are 0, 1"),
    ],
)
def test_an_eye_that_cannot_see_is_refused_with_the_reason(name: str, layer: str | None, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        build_eye(name, layer=layer)


def test_vectors_and_images_of_four_channels_are_refused() -> None:
    with pytest.raises(ConfigError, match="vectors of 7 numbers: set eye"):
        build_eye(TINY).for_inputs((7,))
    with pytest.raises(ConfigError, match="1 or 3 channels, found 4"):
        build_eye(TINY).for_inputs((4, 8, 8))


def test_another_eye_than_the_checkpoints_is_refused_with_what_to_do() -> None:
    eye = build_eye(TINY)
    check_same(eye, eye.state())
    check_same(None, None)
    for now, saved in ((build_eye(OTHER), eye.state()), (None, eye.state()), (eye, None)):
        with pytest.raises(ConfigError, match="or choose another state_dir") as refused:
            check_same(now, saved)
        assert refused.value.exit_code == 78
