"""A network that froze its own lower half: codes of what that gives, steps above it, and nothing below."""

from __future__ import annotations

import copy
import math
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from streamlearner.app.cluster_setup import check_cluster
from streamlearner.config.loading import load
from streamlearner.errors import ConfigError
from streamlearner.merging.shards import Indices
from streamlearner.methods.answerers import ANSWERERS, NEAREST
from streamlearner.methods.base import Experience
from streamlearner.methods.late_freeze import LateFreeze
from streamlearner.networks.halves import halfway
from streamlearner.testing.states import differing
from tests.support.late_freezing import AT, digits, method, observe


def below(learner: LateFreeze) -> dict[str, Tensor]:
    return learner.hippocampus.network.state_below()


def test_it_freezes_after_so_many_examples_and_learns_above_from_then_on() -> None:
    learner = method()
    observe(learner, 0, 30)
    assert not learner.is_cut
    observe(learner, 30, 31)
    assert learner.is_cut
    frozen, above = below(learner), learner.hippocampus.network.head.weight.clone()
    held = len(learner.memory)
    observe(learner, 31, 60)
    assert frozen
    assert all(torch.equal(tensor, frozen[name]) for name, tensor in below(learner).items())
    assert all(torch.equal(t, frozen[name]) for name, t in learner.hippocampus.average.state_below().items())
    assert not torch.equal(learner.hippocampus.network.head.weight[: len(above)], above)
    assert len(learner.memory) >= held / 2


def test_what_is_remembered_is_what_the_lower_half_gives() -> None:
    learner, images = method(), digits()[0]
    observe(learner, 0, 40)
    network = learner.hippocampus.average.eval()
    given = network.below(images[:50].float() / 255)
    assert learner.association.input_shape == given.shape[1:] == (network.features_at_cut,)
    coded = learner.association.decode(learner.association.encode(given))
    assert float((coded - given).square().mean()) < 0.5 * float(given.var(0).mean())
    with torch.no_grad():
        assert torch.allclose(network(given), network(images[:50].float() / 255), atol=1e-5)
    assert learner.recollect(2) == []
    assert learner.coded(images[:2]) is None
    assert not learner.can_transplant


def test_old_classes_are_still_known_after_others_came() -> None:
    learner, (images, labels) = method(**{"method.late_freeze.statistics": False}), digits()
    observe(learner, 0, 170)
    old = labels < 5
    answers = learner.predict_proba(images[old], None).argmax(1)
    assert float((answers == labels[old]).double().mean()) > 0.6


@pytest.mark.parametrize("at", [20, 33])
def test_a_restart_before_and_after_the_freeze_goes_on_to_the_bit(at: int) -> None:
    learner, restored = method(), method()
    observe(learner, 0, at)
    restored.load_state_dict({name: value.clone() for name, value in learner.state_dict().items()})
    assert restored.is_cut == learner.is_cut
    observe(learner, at, 45)
    observe(restored, at, 45)
    assert differing(learner, restored) == []
    assert torch.equal(learner.memory.contents().symbols, restored.memory.contents().symbols)


def test_a_sleep_that_began_before_the_freeze_changes_nothing_that_answers() -> None:
    learner = method()
    observe(learner, 0, 30)
    candidate = learner.candidate()
    steps = learner.consolidate(candidate)
    next(steps)
    observe(learner, 30, 34)
    for _ in steps:
        pass
    before = copy.deepcopy(learner.hippocampus.state_dict())
    learner.adopt(candidate)
    assert all(torch.equal(tensor, before[n]) for n, tensor in learner.hippocampus.state_dict().items())
    later = learner.candidate()
    for _ in learner.consolidate(later):
        pass
    learner.adopt(later)
    observe(learner, 34, 36)


def test_going_back_to_a_version_of_before_keeps_what_codes_are_of() -> None:
    learner = method()
    observe(learner, 0, 30)
    version = {name: tensor.clone() for name, tensor in learner.neocortex.state_dict().items()}
    observe(learner, 30, 35)
    frozen = below(learner)
    learner.revert(version)
    assert all(torch.equal(tensor, frozen[name]) for name, tensor in below(learner).items())
    observe(learner, 35, 37)


def test_frozen_learners_are_not_merged() -> None:
    learner = method()
    observe(learner, 0, 31)
    indices = Indices(classes={k: k for k in range(learner.classes)}, tasks={})
    with pytest.raises(ValueError, match="froze"):
        method().merge([learner], [indices], torch.Generator())


def test_a_cluster_refuses_it_at_its_start(tmp_path: Path) -> None:
    settings = {"state_dir": str(tmp_path), "source.kafka.topic": "digits", "source.type": "kafka"}
    for name, refused in (("recollection_replay", False), ("late_freeze", True)):
        config = load(path=None, settings=settings | {"method.name": name}, environ={})
        with pytest.raises(ConfigError, match="for a cluster choose") if refused else nullcontext():
            check_cluster(config)


def test_vectors_are_never_frozen() -> None:
    learner = method((64,))
    images, labels = digits()
    for part in torch.arange(400).split(20):
        learner.observe(Experience(images[part].flatten(1).float(), labels[part]))
    assert not learner.is_cut
    assert math.isfinite(float(learner.predict_proba(images[:1].flatten(1).float(), None).sum()))


def test_the_cut_leaves_something_above() -> None:
    linear, none = nn.Linear(2, 2), nn.ReLU()
    assert halfway(nn.Sequential(linear, none, linear, none, linear, none)) == 4
    assert halfway(nn.Sequential(none, linear, none, linear)) == 3
    assert halfway(nn.Sequential(none, linear)) == 0
    assert halfway(linear) == 0


def test_recollections_of_features_are_not_asked_in_the_batch_that_freezes() -> None:
    learner = method()
    observe(learner, 0, AT // 10)
    assert NEAREST in learner.answerers
    learner.answering.choice[0] = ANSWERERS.index(NEAREST)
    images, labels = digits()
    part = slice(AT, AT + 10)
    observed = learner.observe(Experience(images[part], labels[part]))
    assert learner.is_cut
    assert learner.route != NEAREST
    assert (observed.predicted == labels[part]).float().mean() > 0.5
