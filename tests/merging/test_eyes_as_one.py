"""Images through an eye: shards merge into what one learner is, and what is erased was never there."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor

from streamlearner.app.learning import make_learner
from streamlearner.app.parts import make_eye
from streamlearner.config.loading import load
from streamlearner.decoding.batch import Batch
from streamlearner.decoding.codec import Schema
from streamlearner.decoding.erasures import Erasure
from streamlearner.learning.erasing import erase
from streamlearner.learning.learner import Learner
from streamlearner.learning.merging import draw_apart, merge

CLASSES, IMAGES, SHARDS = 6, 300, 5
SIZES = 10, 1, 23, 7, 16
"""Of the shards' batches: how many images an eye sees at once is nobody's choice."""
METHODS = ("streaming_statistics", "recollection_replay")


@cache
def images() -> tuple[Tensor, list[str]]:
    draw = torch.Generator().manual_seed(0)
    labels = torch.randint(CLASSES, (IMAGES,), generator=draw)
    shown = torch.randint(100, (IMAGES, 3, 12, 12), generator=draw)
    for number, label in enumerate(labels.tolist()):
        shown[number, label % 3, 2 * label : 2 * label + 2] += 150
    return shown.to(torch.uint8), [f"kind {label}" for label in labels.tolist()]


def a_learner(method: str, **settings: Any) -> Learner:
    chosen: dict[str, Any] = {
        "eye.name": "tests.support.eyes:Fickle", "eye.places": 2, "eye.ordered": True, "method.name": method,
        "seed": 0, "memory.budget_bits": 400_000, "exam.fraction": 0.0, "precision": "fp32",
    }  # fmt: skip
    config = load(path=None, settings=chosen | settings, environ={})
    learner = make_learner(config, schema=Schema(shape=(3, 12, 12), dtype="uint8"), eye=make_eye(config))
    for label in range(CLASSES):
        learner.labels.index(f"kind {label}")
    return learner


def taught(learner: Learner, rows: list[int], *, size: int) -> Learner:
    shown, labels = images()
    for start in range(0, len(rows), size):
        part = rows[start : start + size]
        named, ids = tuple(labels[row] for row in part), tuple(f"image {row}" for row in part)
        learner.learn(Batch(inputs=shown[part], labels=named, tasks=(None,) * len(part), ids=ids))
    return learner


def sums(learner: Learner) -> dict[str, Tensor]:
    """What statistics hold, as it is packed."""
    method: Any = learner.method
    statistics = method.answering.statistics if hasattr(method, "answering") else method.hippocampus
    return dict(statistics.sums.state_dict())


def shards(method: str, **settings: Any) -> list[Learner]:
    found = []
    for number, size in enumerate(SIZES):
        learner = a_learner(method, **settings)
        draw_apart(learner, number=number)
        found.append(taught(learner, list(range(number, IMAGES, SHARDS)), size=size))
    return found


def merged(learners: list[Learner], method: str, *, seed: int = 1, **settings: Any) -> Learner:
    whole = a_learner(method, **settings)
    merge(whole, learners, generator=torch.Generator().manual_seed(seed))
    return whole


@pytest.mark.parametrize("method", METHODS)
def test_five_shards_hold_to_the_last_bit_what_one_does_that_saw_all(method: str) -> None:
    whole, alone = merged(shards(method), method), taught(a_learner(method), list(range(IMAGES)), size=50)
    ours, theirs = sums(whole), sums(alone)
    assert ours.keys() == theirs.keys()
    for name, held in theirs.items():
        assert torch.equal(ours[name], held), name
    assert int(theirs["counts"].sum()) == IMAGES


@pytest.mark.parametrize("method", METHODS)
def test_two_hundred_images_that_are_erased_were_never_there(method: str) -> None:
    shown, labels = images()
    learner = taught(a_learner(method), list(range(IMAGES)), size=10)
    for row in (row for row in range(IMAGES) if row % 3):
        given = Erasure(id=f"image {row}", input=shown[row], input_label=labels[row])
        found = erase(learner, given, learned=True)
        assert found.removed.statistics == "exact"
    never = taught(a_learner(method), list(range(0, IMAGES, 3)), size=10)
    ours, theirs = sums(learner), sums(never)
    assert all(torch.equal(ours[name], theirs[name]) for name in ours | theirs)


@pytest.mark.parametrize("budget_bits", [20_000, 60_000])
def test_codes_of_features_of_shards_are_as_many_as_those_of_one_and_as_near_to_what_was_seen(
    budget_bits: int,
) -> None:
    """Shards have room for whole vectors where one learner has none; it fits its codes to more images."""
    settings = {"memory.budget_bits": budget_bits, "method.statistics": False}
    alone = taught(a_learner(METHODS[1], **settings), list(range(IMAGES)), size=10)
    whole = merged(shards(METHODS[1], **settings), METHODS[1], **settings)
    ours, theirs = whole.method.remembered_by_class(), alone.method.remembered_by_class()
    assert ours.keys() == theirs.keys() == set(range(CLASSES))
    assert all(abs(ours[label] - theirs[label]) <= 1 for label in theirs)
    assert error(whole) <= 2 * error(alone)


def error(learner: Learner) -> float:
    """Mean squared distance of each recollection to the nearest features that the eye gave of its class, in
    units of their variance."""
    shown, labels = images()
    assert learner.eye is not None
    features = learner.eye.see(shown, alike=True)
    classes = torch.tensor([int(label.removeprefix("kind ")) for label in labels])
    found = [
        torch.cdist(codes, features[classes == int(str(name).removeprefix("kind "))]).square().amin(1)
        for name, codes in learner.recollections(10_000)
    ]
    return float(torch.cat(found).mean() / features.var(0).sum())
