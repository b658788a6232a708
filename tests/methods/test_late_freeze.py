"""A network that froze its own lower half: codes of what that gives, steps above it, and nothing below."""

from __future__ import annotations

import copy
import math
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

from streamlearner.app.cluster_setup import check_cluster
from streamlearner.app.learning import check_method, make_method
from streamlearner.config.loading import load
from streamlearner.errors import ConfigError
from streamlearner.merging.shards import Indices
from streamlearner.methods.base import Experience
from streamlearner.methods.late_freeze import LateFreeze
from streamlearner.networks.halves import halfway
from streamlearner.testing.states import differing

BUDGET = 24_000
AT = 300
"""Examples after which it freezes."""


def digits() -> tuple[Tensor, Tensor]:
    """Of 8 x 8 pixels, in class order by halves: 0 to 4, then 5 to 9."""
    values, labels = load_digits(return_X_y=True)
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))
    images = torch.tensor(values * 15, dtype=torch.uint8).view(-1, 1, 8, 8)[order]
    found = torch.tensor(labels)[order]
    halves = torch.argsort((found >= 5).long(), stable=True)
    return images[halves], found[halves]


def method(shape: tuple[int, ...] = (1, 8, 8), **settings: object) -> LateFreeze:
    named = {
        "method.name": "late_freeze", "method.late_freeze.freeze_after": AT, "memory.budget_bits": BUDGET,
        "precision": "fp32",
    }  # fmt: skip
    config = load(path=None, settings=named | settings, environ={})
    dtype = torch.uint8 if len(shape) == 3 else torch.float32
    made = make_method(config, input_shape=shape, dtype=dtype)
    assert isinstance(made, LateFreeze)
    return made


def observe(learner: LateFreeze, first: int, last: int) -> None:
    """Batches of ten."""
    images, labels = digits()
    for batch in range(first, last):
        part = slice(batch * 10, batch * 10 + 10)
        learner.observe(Experience(images[part], labels[part]))
        assert sum(learner.stored_bits().values()) <= BUDGET


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


def flat(learner: LateFreeze, *figures: float) -> None:
    for figure in figures:
        learner.heed_readout(figure)


def test_it_freezes_once_the_readout_did_not_rise_for_so_many_sleeps_in_a_row() -> None:
    learner = method(**{"method.late_freeze.freeze_after": None, "method.late_freeze.patience": 2})
    observe(learner, 0, 35)
    flat(learner, 0.5, 0.5, 0.6, 0.6)
    observe(learner, 35, 36)
    assert not learner.is_cut, "it rose in between"
    flat(learner, 0.55)
    assert not learner.is_cut, "a batch freezes, as codes change"
    observe(learner, 36, 37)
    assert learner.is_cut


def test_the_number_of_examples_counts_beside_the_readout() -> None:
    learner = method(**{"method.late_freeze.patience": 2})
    observe(learner, 0, 31)
    assert learner.is_cut
    flat(learner, 0.5, 0.5, 0.5)
    observe(learner, 31, 32)


def test_a_readout_among_more_classes_begins_the_count_anew() -> None:
    learner = method(**{"method.late_freeze.freeze_after": None, "method.late_freeze.patience": 2})
    observe(learner, 0, 10)
    flat(learner, 0.9, 0.9)
    known = learner.classes
    observe(learner, 90, 100)
    assert learner.classes > known
    flat(learner, 0.7, 0.7)
    observe(learner, 100, 101)
    assert not learner.is_cut
    flat(learner, 0.6)
    observe(learner, 101, 102)
    assert learner.is_cut


@pytest.mark.parametrize("change", ["revert", "switch"])
def test_other_weights_begin_the_count_anew(change: str) -> None:
    learner = method(**{"method.late_freeze.freeze_after": None, "method.late_freeze.patience": 1})
    observe(learner, 0, 10)
    version = {name: tensor.clone() for name, tensor in learner.neocortex.state_dict().items()}
    flat(learner, 0.9, 0.9)
    if change == "revert":
        learner.revert(version)
    else:
        learner.switch(copy.deepcopy(learner.neocortex))
    flat(learner, 0.8)
    observe(learner, 10, 11)
    assert not learner.is_cut


def test_a_state_of_before_there_was_a_count_is_read() -> None:
    learner, again = method(), method()
    observe(learner, 0, 20)
    held = {name: value for name, value in learner.state_dict().items() if not name.startswith("readouts.")}
    again.load_state_dict({name: value.clone() for name, value in held.items()})
    observe(learner, 20, 33)
    observe(again, 20, 33)
    assert differing(learner, again) == []


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"method.late_freeze.freeze_after": None}, "without both nothing freezes"),
        ({"method.late_freeze.patience": 0}, "method.late_freeze.patience"),
    ],
)
def test_settings_that_freeze_nothing_are_refused(settings: dict[str, object], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        method(**settings)


def test_patience_asks_for_the_readout() -> None:
    settings = {"method.name": "late_freeze", "method.late_freeze.patience": 1, "evaluation.readout": False}
    with pytest.raises(ConfigError, match=r"evaluation\.readout is false, but"):
        check_method(load(path=None, settings=settings, environ={}))


def test_patience_that_is_not_given_changes_no_digest() -> None:
    of_before = "668579cf6b2f946129fd8befc758a6419c04d29677754a4197b1703d839cc68c"
    named = {"method.name": "late_freeze"}
    assert load(path=None, settings=named, environ={}).digest() == of_before
    patient = named | {"method.late_freeze.patience": 3}
    assert load(path=None, settings=patient, environ={}).digest() != of_before


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
