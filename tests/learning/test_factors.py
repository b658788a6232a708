"""Labels of several factors: each is learned, examined, reported and answered by itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from streamlearner.app import build
from streamlearner.connectors.memory import MemorySource
from streamlearner.decoding.batch import Batch
from streamlearner.decoding.codec import encode_raw
from streamlearner.decoding.label_space import LabelSpace
from streamlearner.decoding.labels import FactorValue
from streamlearner.learning.targets import Targets, expand
from streamlearner.stream import Factors, Label, Message
from tests.support.daemon_runs import (
    ask,
    differing,
    figure,
    learned,
    run,
    run_with_crashes,
    running,
    settings,
    state,
    wait_until,
)

ROWS, COLUMNS = 3, 2
COUNT = 480
METHODS = ("recollection_replay", "active_long_term", "generative_dual_memory", "finetune")


def picture(number: int, row: int, column: int) -> np.ndarray[Any, Any]:
    """A bright bar across one of three heights, and one down one of two sides."""
    image = np.random.default_rng(number).integers(0, 40, (6, 6), dtype=np.uint8)
    image[2 * row] += np.uint8(200)
    image[:, 5 * column] = 220
    return image


def example(number: int, *, label: Any = None) -> Message:
    row, column = number % ROWS, (number // ROWS) % COLUMNS
    named = {"row": row, "side": ("left", "right")[column]} if label is None else label
    value, headers = encode_raw(picture(number, row, column), label=named, id=f"example-{number}")
    return Message(value, "memory", 0, number, headers=headers)


STREAM = [example(number) for number in range(COUNT)]


def batch(*labels: Label | Factors, tasks: tuple[str | None, ...] | None = None) -> Batch:
    n = len(labels)
    return Batch(torch.zeros(n, 1), labels, tasks or (None,) * n, (None,) * n)


def expanded(given: Batch, *, uses_tasks: bool = True) -> tuple[Targets, LabelSpace, LabelSpace]:
    labels, tasks = LabelSpace(), LabelSpace()
    return expand(given, labels=labels, tasks=tasks, uses_tasks=uses_tasks), labels, tasks


def test_an_example_becomes_a_row_for_each_factor_that_it_names() -> None:
    targets, labels, tasks = expanded(batch({"a": 1, "b": 1}, {"b": 2}, "plain"))
    assert targets.examples.tolist() == [0, 0, 1, 2]
    assert targets.labels.tolist() == [0, 1, 2, 3]
    assert labels.state() == [["a", 1], ["b", 1], ["b", 2], "plain"]
    assert targets.tasks is not None
    assert [tasks.label(t) if t >= 0 else None for t in targets.tasks.tolist()] == ["a", "b", "b", None]


def test_a_factor_belongs_to_the_task_that_the_message_names() -> None:
    given = batch({"a": 1}, {"a": 1}, tasks=("t", None))
    targets, labels, tasks = expanded(given)
    assert (len(labels), tasks.state()) == (1, ["t/a", "a"])
    targets, _, tasks = expanded(given, uses_tasks=False)
    assert (tasks.state(), targets.tasks is not None) == (["a"], True)


def test_plain_labels_are_targets_as_they_are() -> None:
    targets, _, tasks = expanded(batch("x", "y", "x"))
    assert (targets.examples.tolist(), targets.labels.tolist(), targets.tasks) == ([0, 1, 2], [0, 1, 0], None)
    assert targets.one_each(7) is targets
    assert len(tasks) == 0


def test_the_exam_asks_for_one_factor_of_each_example_in_turns_and_keeps_all_from_learning() -> None:
    targets, _, _ = expanded(batch(*[{"a": 1, "b": 2}] * 4, {"a": 1}))
    assert targets.one_each(0).examples.tolist() == [0, 1, 2, 3, 4]
    assert targets.one_each(0).labels.tolist() == [0, 1, 0, 1, 0]
    assert targets.one_each(5).labels.tolist() == [1, 0, 1, 0, 0]
    assert targets.without([1, 3]).examples.tolist() == [0, 0, 2, 2, 4]


@pytest.mark.parametrize("name", METHODS)
def test_every_factor_is_learned_answered_examined_and_reported(name: str, tmp_path: Path) -> None:
    config = settings(
        tmp_path,
        method__name=name,
        exam__budget_bits=40_000,
        sleep__every_examples=None,
        serving__refresh_every_examples=1,
        daemon__at_end="serve",
    )
    with running(build(config, source=MemorySource(STREAM))) as daemon:
        wait_until(lambda: daemon.learner and _all_taken(daemon.learner), "all taken")
        fresh = [picture(10_000 + i, i % ROWS, i // ROWS % COLUMNS).tolist() for i in range(12)]
        wanted = [{"row": i % ROWS, "side": ("left", "right")[i // ROWS % COLUMNS]} for i in range(12)]
        asked = {"inputs": fresh, "return": ["probabilities"]}
        wait_until(lambda: _served(daemon) == learned(daemon), "the newest model answers")
        wait_until(lambda: ask(daemon, "/v1/status")["messages"] == COUNT, "the status tells of all")
        answers = ask(daemon, "/v1/predict", asked)["predictions"]
        one = ask(daemon, "/v1/predict", {"inputs": fresh[:1], "task": "side"})["predictions"][0]
        retention, status = ask(daemon, "/v1/retention"), ask(daemon, "/v1/status")
        side = figure(daemon, 'streamlearner_retention_ratio{slice="factor:side"}')
    assert [found["label"].keys() for found in answers] == [{"row", "side"}] * 12
    right = [
        found["label"][factor] == want[factor]
        for found, want in zip(answers, wanted, strict=True)
        for factor in want
    ]
    assert sum(right) >= 0.75 * len(right)
    shown = answers[0]["probabilities"]
    assert shown["side"].keys() == {"left", "right"}
    assert sum(shown["row"].values()) == pytest.approx(1, abs=1e-5)
    assert answers[0]["probability"]["row"] == pytest.approx(max(shown["row"].values()))
    assert (one["label"].keys(), one["probability"].keys()) == ({"side"}, {"side"})
    assert retention["by_factor"].keys() == {"row", "side"} == retention["by_task"].keys()
    assert retention["by_class"].keys() == {"row=0", "row=1", "row=2", "side=left", "side=right"}
    assert side == retention["by_factor"]["side"]
    assert status["examples"]["learned"] + status["examples"]["withheld"] == COUNT == status["messages"]
    assert retention["exam"] == status["examples"]["withheld"] > 10


def _all_taken(learner: Any) -> bool:
    return bool(learner.progress.learned + learner.progress.withheld == COUNT)


def _listens(daemon: Any) -> bool:
    with suppress(OSError):
        ask(daemon, "/v1/status")
        return True
    return False


def _served(daemon: Any) -> int:
    return int((daemon.serving.version or "0.0").split(".")[1])


def test_a_daemon_of_factors_that_crashes_ends_in_the_same_bits(tmp_path: Path) -> None:
    run(settings(tmp_path / "calm"), MemorySource(STREAM))
    run_with_crashes(settings(tmp_path / "crashed"), STREAM, at=(33, 101, 170))
    assert differing(state(tmp_path / "calm"), state(tmp_path / "crashed")) == []


@pytest.fixture
def mixed(tmp_path: Path) -> Iterator[Any]:
    """Half of the examples name only a plain label."""
    messages = [example(n, label=None if n % 2 else n % ROWS) for n in range(COUNT)]
    config = settings(tmp_path, daemon__at_end="serve", serving__refresh_every_examples=1)
    with running(build(config, source=MemorySource(messages))) as daemon:
        wait_until(lambda: daemon.learner and _all_taken(daemon.learner), "all taken")
        yield daemon


def test_plain_labels_beside_factors_answer_under_label(mixed: Any) -> None:
    wait_until(lambda: _served(mixed) == learned(mixed), "the newest model answers")
    (found,) = ask(mixed, "/v1/predict", {"inputs": [picture(3, 0, 1).tolist()]})["predictions"]
    assert found["label"].keys() == {"label", "row", "side"}
    assert all(0 <= probability <= 1 for probability in found["probability"].values())


def test_pushed_factors_are_learned_and_a_wrong_one_is_refused_by_name(tmp_path: Path) -> None:
    config = settings(tmp_path, source__type="push", daemon__at_end="serve", exam__fraction=0.0)
    with running(build(config)) as daemon:
        examples = [
            {"input": picture(n, n % 3, 0).tolist(), "label": {"row": n % 3}, "id": n} for n in range(20)
        ]
        wait_until(lambda: _listens(daemon), "the daemon listens")
        assert ask(daemon, "/v1/examples", {"examples": examples})["accepted"] == 20
        wait_until(lambda: learned(daemon) == 20, "what was pushed is learned")
        assert daemon.learner is not None
        assert daemon.learner.labels.factors.keys() == {"row"}
        with pytest.raises(OSError, match="400"):
            ask(daemon, "/v1/examples", {"examples": [{"input": [[0] * 6] * 6, "label": {"row": None}}]})


def test_a_class_of_a_factor_is_written_with_its_factor() -> None:
    assert str(FactorValue("viewpoint", 90)) == "viewpoint=90"
