"""Images are mirrored to be learned while a mirrored one is still of its class."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor

from streamlearner.app.learning import make_method
from streamlearner.config.loading import load
from streamlearner.methods.base import Experience
from streamlearner.methods.recollection_replay import RecollectionReplay
from streamlearner.statistics.mirrors import Mirrors
from streamlearner.testing.states import differing

SHAPE = (3, 8, 8)


def method(**settings: object) -> RecollectionReplay:
    named = {"precision": "fp32", "network.name": "mlp", "memory.budget_bits": 200_000}
    named |= {name.replace("__", "."): value for name, value in settings.items()}
    config = load(path=None, settings=named, environ={})
    made = make_method(config, input_shape=SHAPE, dtype=torch.uint8)
    assert isinstance(made, RecollectionReplay)
    return made


def arrows(batch: int, *, up: bool) -> tuple[Tensor, Tensor]:
    """Light to one side, and noise; with `up` to the upper or lower, which a mirror does not change."""
    labels, rng = torch.arange(10) % 2, torch.Generator().manual_seed(batch)
    shown = 60.0 + 40.0 * torch.rand(10, *SHAPE, generator=rng)
    half = shown.transpose(2, 3) if up else shown
    half[labels == 0, :, :, :4] += 100.0
    half[labels == 1, :, :, 4:] += 100.0
    return shown.to(torch.uint8), labels


def observe(learner: RecollectionReplay, first: int, last: int, *, up: bool = False) -> None:
    for batch in range(first, last):
        learner.observe(Experience(*arrows(batch, up=up)))


def mirrors_of(learner: RecollectionReplay) -> Mirrors:
    assert learner.mirrors is not None
    return learner.mirrors


@pytest.mark.parametrize("up", [True, False])
def test_images_are_mirrored_unless_that_makes_another_class_of_them(up: bool) -> None:
    learner = method()
    assert learner.augmentation.flip
    observe(learner, 0, 12, up=up)
    assert mirrors_of(learner).refused is not up
    assert learner.augmentation.flip is up
    assert learner.augmentation.shift_pixels == method().augmentation.shift_pixels


def test_mirror_images_that_were_asked_for_stay() -> None:
    learner = method(method__flip=True)
    observe(learner, 0, 12)
    assert learner.augmentation.flip


@pytest.mark.parametrize("batches", [3, 12])
def test_a_restart_continues_to_the_same_bits(batches: int) -> None:
    learner, again = method(), method()
    observe(learner, 0, batches)
    again.load_state_dict(copy.deepcopy(learner.state_dict()))
    assert again.augmentation.flip == learner.augmentation.flip
    for one in (learner, again):
        observe(one, batches, batches + 4)
    assert differing(again, learner) == []


def test_a_state_from_before_mirrors_were_judged_is_read() -> None:
    learner, again = method(), method()
    observe(learner, 0, 12)
    again.load_state_dict({k: v for k, v in learner.state_dict().items() if not k.startswith("mirrors.")})
    assert again.augmentation.flip
