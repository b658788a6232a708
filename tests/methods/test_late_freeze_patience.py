"""When a network freezes its lower half: after so many sleeps in which the readout did not rise."""

from __future__ import annotations

import copy

import pytest

from streamlearner.app.learning import check_method
from streamlearner.config.loading import load
from streamlearner.errors import ConfigError
from streamlearner.methods.late_freeze import LateFreeze
from streamlearner.testing.states import differing
from tests.support.late_freezing import method, observe


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
