"""A program's Learner as users of scikit-learn and River know it: arrays and mappings in, arrays and labels
out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamlearner import InvalidInput, Learner, NothingLearned
from streamlearner.methods.recollection_replay import RecollectionReplay

QUICK = {"sleep.steps": 5, "exam.fraction": 0.0}
IMAGES = np.arange(20 * 6 * 6, dtype=np.uint8).reshape(20, 6, 6)

BARS = np.repeat(np.eye(6, dtype=np.uint8) * 255, 6, axis=1).reshape(6, 6, 6)
"""Six images, each with a bar of its own."""


def learner(**more: Any) -> Learner:
    return Learner(**({"config": QUICK} | more))


def taught(X: Any, y: Any) -> Learner:
    ours = learner()
    ours.learn_many(X, y)
    return ours


# what comes out


def test_columns_are_the_classes_in_the_order_in_which_they_came() -> None:
    ours = taught(IMAGES[:2], ["pear", "apple"])
    assert ours.classes_.tolist() == ["pear", "apple"]
    ours.learn_many(IMAGES[2:4], np.array(["fig", "pear"]))
    assert ours.classes_.tolist() == ["pear", "apple", "fig"]
    scores = ours.predict_proba_many(IMAGES)
    assert scores.shape == (20, 3) and scores.dtype == np.float32
    assert np.allclose(scores.sum(axis=1), 1, atol=1e-5)
    assert ours.predict_many(IMAGES).tolist() == ours.classes_[scores.argmax(axis=1)].tolist()


@pytest.mark.parametrize(
    ("y", "dtype"),
    [([7, 3], np.int64), (np.array([7, 3], np.int8), np.int64), (["a", "bcd"], "<U3"), (["a", 3], object)],
    ids=["integers", "numpy integers", "texts", "both"],
)
def test_labels_come_back_as_what_they_were(y: Any, dtype: Any) -> None:
    ours = taught(IMAGES[:2], y)
    assert ours.classes_.dtype == ours.predict_many(IMAGES).dtype == dtype
    assert ours.classes_.tolist() == list(y)
    assert type(ours.predict_one(IMAGES[0])) in {type(label) for label in ours.classes_.tolist()}


def test_many_and_one_answer_alike() -> None:
    ours = taught(IMAGES, [number % 3 for number in range(20)])
    scores = ours.predict_proba_many(IMAGES[:4])
    for row, image in zip(scores, IMAGES, strict=False):
        assert list(ours.predict_proba_one(image)) == [0, 1, 2]
        assert np.allclose(list(ours.predict_proba_one(image).values()), row, atol=1e-6)
        assert ours.predict_one(image) == ours.classes_[row.argmax()]


def test_predictions_of_many_inputs_are_those_of_a_few_at_a_time() -> None:
    ours = taught(IMAGES, [number % 3 for number in range(20)])
    many = np.repeat(IMAGES, 30, axis=0)
    assert ours.predict_proba_many(many).shape == (600, 3)
    assert np.array_equal(ours.predict_many(many)[::30], ours.predict_many(IMAGES))


def test_a_task_restricts_the_answer_to_its_classes() -> None:
    ours = learner()
    ours.learn_many(IMAGES, [number % 4 for number in range(20)], tasks=["low", "low", "high", "high"] * 5)
    assert set(ours.predict_many(IMAGES, task="high").tolist()) <= {2, 3}
    assert ours.predict_one(IMAGES[0], task="low") in (0, 1)
    assert ours.predict_proba_many(IMAGES, task="high")[:, :2].max() == 0


def test_nothing_in_nothing_out() -> None:
    ours = taught(IMAGES[:2], ["a", "b"])
    ours.learn_many(IMAGES[:0], [])
    assert ours.learned == 2
    assert ours.predict_proba_many(IMAGES[:0]).shape == (0, 2)
    assert ours.predict_many(IMAGES[:0]).shape == (0,)


# what goes in


@pytest.mark.parametrize(
    "same",
    [
        IMAGES.astype(np.int64),
        IMAGES.astype(np.uint16),
        IMAGES / 255,
        (IMAGES / 255).astype(np.float32),
        IMAGES[..., np.newaxis],
        IMAGES.tolist(),
        np.asfortranarray(IMAGES),
    ],
    ids=["int64", "uint16", "float64", "float32", "a channel", "lists", "columns first"],
)
def test_an_image_is_the_same_in_every_dtype_and_layout(same: Any) -> None:
    y = [number % 2 for number in range(20)]
    ours, theirs = taught(IMAGES, y), taught(same, y)
    assert np.array_equal(ours.predict_proba_many(IMAGES), theirs.predict_proba_many(same))


def test_colour_images_have_their_channels_last() -> None:
    colour = np.stack([IMAGES, IMAGES // 2, 255 - IMAGES], axis=-1)
    ours = learner(network="mlp")
    ours.learn_many(colour, ["a", "b"] * 10)
    assert ours.predict_many(colour).shape == (20,)
    with pytest.raises(InvalidInput, match=r"inputs of shape \[6, 6\]; expected \[6, 6, 3\]"):
        ours.predict_many(IMAGES)


def test_what_remains_of_a_batch_is_learned_at_once() -> None:
    ours = taught(IMAGES[:13], ["a", "b"] * 6 + ["a"])
    assert ours.learned == 13


def test_an_id_that_comes_again_is_passed_over() -> None:
    ours = learner()
    ours.learn_many(IMAGES[:3], [0, 1, 0], ids=["x", "y", "x"])
    ours.learn_one(IMAGES[0], 0, id="y")
    ours.learn_one(IMAGES[0], 0)
    assert ours.learned == 3


# River's way


def test_the_loop_of_river_learns_from_mappings() -> None:
    draw, ours, right = np.random.default_rng(0), learner(), []
    for number in range(200):
        values = draw.normal(3.0 * (number % 2), 0.3, 2)
        x, y = {"width": values[0], "height": float(values[1])}, ["cat", "dog"][number % 2]
        right.append(ours.predict_one(x) == y)
        ours.learn_one(x, y)
    assert not right[0] and sum(right[100:]) > 90
    assert set(ours.predict_proba_one(x)) == {"cat", "dog"}


def test_the_order_of_a_mapping_does_not_matter(tmp_path: Path) -> None:
    ours = learner()
    ours.learn_one({"b": 1.0, "a": 0}, "first")
    ours.learn_one({"a": True, "b": 5}, "second")
    assert ours.predict_proba_one({"b": 5, "a": 1}) == ours.predict_proba_one({"a": 1, "b": 5})
    assert ours.predict_proba_one({"b": 5, "a": 1}) == ours.predict_proba_one([1, 5])
    ours.save(tmp_path)
    for one in (ours, Learner.load(tmp_path)):
        with pytest.raises(
            InvalidInput, match=r"x lacks \['b'\] and has \['c'\] besides; expected .*'a', 'b'"
        ):
            one.predict_one({"a": 1, "c": 2})
    with pytest.raises(InvalidInput, match=r"x\['b'\] is str '5'; expected a number"):
        ours.learn_one({"a": 1, "b": "5"}, "second")


def test_before_anything_is_learned_one_answers_as_river_does_and_many_as_scikit_learn() -> None:
    ours = learner()
    assert ours.predict_one(IMAGES[0]) is None and ours.predict_proba_one({"a": 1}) == {}
    assert ours.classes_.tolist() == [] and ours.learned == 0
    assert ours.retention()["overall"] is None and ours.memory()["recollections"] == 0
    for ask in (lambda: ours.predict_many(IMAGES), lambda: ours.predict_proba_many(IMAGES), ours.sleep):
        with pytest.raises(NothingLearned, match="nothing has been learned yet"):
            ask()


# sleep


def test_a_learner_sleeps_when_it_is_told_to() -> None:
    ours = learner(config={"sleep.steps": 7, "exam.fraction": 0.2}, seed=1)
    ours.learn_many(np.tile(IMAGES, (10, 1, 1)), [number % 2 for number in range(200)])
    assert len(ours.retention()["matrix"]) == 0
    first, second = ours.sleep(), ours.sleep()
    assert (first.steps, second.steps) == (7, 7)
    assert first.before is not None and second.after is not None
    assert len(ours.retention()["matrix"]) == 2 and ours.retention()["exam"] > 10
    assert second.version == first.adopted + second.adopted


def test_a_sleep_that_loses_too_much_is_refused_and_changes_no_answer() -> None:
    ruinous = {"sleep.learning_rate": 1e3, "sleep.tolerance": 0.0, "sleep.steps": 20, "exam.fraction": 0.2}
    ours = learner(config=ruinous)
    ours.learn_many(np.tile(BARS, (60, 1, 1)), list(range(6)) * 60)
    before = ours.predict_proba_many(BARS)
    end = ours.sleep()
    assert not end.adopted and end.version == 0
    assert end.before is not None and end.after is not None and end.after < end.before
    assert np.array_equal(ours.predict_proba_many(BARS), before)


def test_with_sleep_every_it_sleeps_by_itself() -> None:
    ours = learner(sleep_every=8)
    ours.learn_many(IMAGES, [number % 2 for number in range(20)])
    assert len(ours.retention()["matrix"]) == 2


def test_a_sleep_that_is_interrupted_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = taught(IMAGES, [number % 3 for number in range(20)])
    before = ours.predict_proba_many(IMAGES)
    with monkeypatch.context() as patch:
        patch.setattr(RecollectionReplay, "consolidate", interrupted_after_two_steps)
        with pytest.raises(KeyboardInterrupt):
            ours.sleep()
    assert np.array_equal(ours.predict_proba_many(IMAGES), before)
    assert ours.retention()["matrix"] == []
    assert ours.sleep().steps == QUICK["sleep.steps"]


def interrupted_after_two_steps(method: object, candidate: object) -> Iterator[None]:
    yield
    yield
    raise KeyboardInterrupt
