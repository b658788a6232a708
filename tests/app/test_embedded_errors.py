"""What a program's Learner refuses, in words that mend it; and the forms in which it takes its settings."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamlearner import ConfigError, InvalidInput, Learner, load_config
from streamlearner.methods.base import Experience, Observation
from streamlearner.methods.recollection_replay import RecollectionReplay

IMAGES = np.arange(20 * 6 * 6, dtype=np.uint8).reshape(20, 6, 6)


def learner() -> Learner:
    return Learner(config={"exam.fraction": 0.0})


@pytest.mark.parametrize(
    ("X", "y", "says"),
    [
        (IMAGES, [1, 2], "y has 2 entries, X has 20 inputs"),
        (IMAGES[:2], 3, "y is int 3; expected 2 of them"),
        (IMAGES[:2], [1.5, 2.0], r"y\[0\]: label is float 1.5"),
        (IMAGES[:2], [True, False], r"y\[0\]: label is bool True"),
        (IMAGES[:2], ["1", "2"], r"y\[0\] is the text '1', an integer in writing; expected 1"),
        (IMAGES[:2], [{"a": 1}, {"a": 2}], r"y\[0\]: a label of several factors; only the daemon"),
        (IMAGES[0, 0], [1] * 6, r"X has shape \[6\]; expected \[n, d\]"),
        (IMAGES[:2] / 1.0, [1, 2], r"X\[0\]: float image holds 0 to 35; expected 0..1"),
        (IMAGES[:2].astype(int) + 250, [1, 2], r"X\[0\]: integer image holds 250 to 285; expected 0..255"),
        ([[1.0, 2.0], [3.0, np.nan]], [1, 2], r"X\[1\]: input holds NaN"),
        ([[1.0, 2.0], [3.0]], [1, 2], "X is no array"),
        ([["a", "b"]], [1], r"X\[0\]: input is an array of <U1; expected integers or floats"),
        (np.zeros((2, 3, 32, 32)), [1, 2], r"X\[0\]: image has shape \[3, 32, 32\]; .*channels last"),
        (np.zeros((2, 0)), [1, 2], r"X\[0\]: input has shape \[0\]"),
    ],
)
def test_what_cannot_be_learned_is_named_and_nothing_of_it_is_learned(X: Any, y: Any, says: str) -> None:
    ours = learner()
    with pytest.raises(InvalidInput, match=says):
        ours.learn_many(X, y)
    ours.learn_many([[0.5, 1.5]], ["a shape of its own"])
    assert ours.learned == 1


def test_an_error_while_learning_names_the_rows_and_their_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    def observe(self: object, experience: Experience) -> Observation:
        raise RuntimeError("of a method")

    monkeypatch.setattr(RecollectionReplay, "observe", observe)
    with pytest.raises(RuntimeError) as caught:
        learner().learn_many(IMAGES[:12], [1, 2] * 6, ids=[f"photo-{n}" for n in range(3)] + [None] * 9)
    assert caught.value.__notes__ == ["while learning X[0:10] of 12 (ids photo-0, photo-1, photo-2)"]


def test_a_budget_that_holds_not_one_code_is_a_setting_to_mend() -> None:
    with pytest.raises(ConfigError, match=r"memory\.budget_bits: .* one record takes") as refused:
        Learner(config={"memory.budget_bits": 10}).learn_many(IMAGES[:2], [1, 2])
    assert refused.value.exit_code == 78


def test_another_shape_than_the_first_is_refused_in_the_words_of_arrays() -> None:
    ours = learner()
    ours.learn_many(IMAGES[:2], ["a", "b"])
    with pytest.raises(InvalidInput, match=r"X holds inputs of shape \[7\]; expected \[6, 6\], as the first"):
        ours.learn_many(np.zeros((2, 7)), ["a", "b"])
    with pytest.raises(InvalidInput, match=r"x is an input of shape \[20, 6, 6\]; expected \[6, 6\]"):
        ours.predict_one(IMAGES)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"config": {"memory.budget": 1}}, "config: memory.budget: .*did you mean memory.budget_bits"),
        ({"config": {"memory": {"budgetbits": 1}}}, "did you mean memory.budget_bits"),
        ({"memory_budget": "64 Kb"}, "config: memory.budget_bits: expected an amount of bits"),
        ({"method": "recolection_replay"}, "did you mean recollection_replay"),
        ({"config": {"device": "gpu"}}, "device: gpu cannot be used"),
        ({"config": 5}, "config is a int; expected a mapping"),
        ({"config": "absent.yaml"}, "absent.yaml: cannot be read"),
    ],
    ids=str,
)
def test_settings_that_cannot_be_used_are_refused_with_the_nearest(
    settings: dict[str, Any], says: str
) -> None:
    with pytest.raises(ConfigError, match=says):
        Learner(**settings)


def test_a_network_that_cannot_take_the_inputs_is_refused_and_another_shape_may_follow() -> None:
    ours = Learner(network="lenet")
    with pytest.raises(ConfigError, match=r"not for inputs \[5\] float32: network lenet needs images"):
        ours.learn_many(np.zeros((2, 5)), [0, 1])
    ours.learn_many(np.zeros((2, 16, 16)), [0, 1])
    assert ours.classes_.tolist() == [0, 1]


def test_a_configuration_may_be_a_mapping_a_file_or_a_config(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("memory:\n  budget_bits: 8 KiB\nseed: 5\n")
    nested, dotted = {"memory": {"budget_bits": "8 KiB"}, "seed": 5}, {"memory.budget_bits": 65536, "seed": 5}
    forms = [nested, dotted, tmp_path / "config.yaml", str(tmp_path / "config.yaml"), load_config(nested)]
    assert {load_config(form) == load_config(nested) for form in forms} == {True}
    for form in forms:
        assert Learner(config=form).memory()["budget_bits"] == 65536
        assert Learner(config=form, memory_budget=np.int64(4096)).memory()["budget_bits"] == 4096


def test_the_environment_counts_only_where_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMLEARNER_SEED", "9")
    assert load_config({"seed": 2}).seed == 2
    assert load_config({"seed": 2}, environ={"STREAMLEARNER_SEED": "9"}).seed == 9
    assert load_config(load_config({"seed": 2}), environ={"STREAMLEARNER_SEED": "9"}).seed == 9


@pytest.mark.parametrize("attempt", [pickle.dumps, copy.deepcopy])
def test_a_learner_is_neither_pickled_nor_copied(attempt: Callable[[Any], Any]) -> None:
    with pytest.raises(TypeError, match="save it, and load what was saved"):
        attempt(learner())
