"""A program's Learner takes back what it learned."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from streamlearner import InvalidInput, Learner

DRAW = np.random.default_rng(0)
X = DRAW.normal(size=(120, 4)).astype(np.float32)
Y = ["a", "b", "c"] * 40
X += np.array([{"a": -3, "b": 0, "c": 3}[label] for label in Y])[:, None]
IDS = [f"row {n}" for n in range(120)]


def taught(**more: object) -> Learner:
    learner = Learner(seed=0, config={"threads": 1, **more})
    learner.learn_many(X, Y, ids=IDS, tasks=["first" if n < 60 else "second" for n in range(120)])
    return learner


def held(learner: Learner) -> int:
    return learner.memory()["recollections"] + learner.retention()["exam"]


def test_an_example_is_erased_by_its_id_and_not_learned_again(tmp_path: Path) -> None:
    learner = taught()
    before = held(learner)
    removed = learner.erase("row 7")
    assert removed["recollections"] + removed["exam"] == 1
    assert held(learner) == before - 1
    learner.learn_many(X[7:9], Y[7:9], ids=IDS[7:9])
    assert held(learner) == before - 1
    learner.save(tmp_path)
    again = Learner.load(tmp_path)
    again.learn_many(X[7:8], Y[7:8], ids=IDS[7:8])
    assert held(again) == before - 1


def test_with_the_example_itself_its_part_in_sums_is_subtracted_once() -> None:
    learner, never = (
        taught(**{"exam.fraction": 0}),
        Learner(seed=0, config={"threads": 1, "exam.fraction": 0}),
    )
    assert learner.erase("row 7", x=X[7], y=Y[7])["statistics"]["state"] == "exact"
    assert learner.erase("row 7", x=X[7], y=Y[7])["statistics"]["state"] == "kept"
    assert learner.erase("row 8")["statistics"]["state"] == "kept"
    assert never.erase("row 7") == never.erase(label="a")


def test_a_label_is_answered_no_more_until_it_is_learned_again() -> None:
    learner = taught()
    removed = learner.erase(label="b")
    assert removed["recollections"] > 10
    assert removed["statistics"]["state"] == "exact"
    assert "b" not in learner.predict_many(X).tolist()
    assert "b" not in learner.memory()["recollections_by_class"]
    assert "b" not in learner.retention()["by_class"]
    learner.learn_many(X[:60] + 0.01, Y[:60])
    assert "b" in learner.predict_many(X).tolist()


def test_a_task_is_erased_and_what_other_tasks_taught_stays() -> None:
    learner = taught()
    before = held(learner)
    removed = learner.erase(task="first")
    assert removed["recollections"] + removed["exam"] == before // 2
    assert removed["statistics"]["state"] == "kept"
    assert held(learner) == before - before // 2


@pytest.mark.parametrize("given", [{}, {"id": "a", "label": "b"}, {"label": "b", "task": "c"}, {"id": ""}])
def test_one_thing_is_erased_at_a_time(given: dict[str, str]) -> None:
    with pytest.raises(InvalidInput):
        taught().erase(**given)
