"""A stream opens no more classes and tasks than it may; what it knows goes on being learned."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from streamlearner import InvalidInput, Learner
from streamlearner.connectors.memory import MemorySource
from streamlearner.daemon.loop import Daemon
from streamlearner.daemon.name_ceiling import Known
from streamlearner.decoding.codec import encode_raw
from streamlearner.decoding.label_space import LabelSpace
from streamlearner.decoding.labels import label_text
from streamlearner.stream import Factors, Label, Message
from tests.support.daemon_runs import run, settings
from tests.support.intakes import CollectedRejects, an_intake, everything


def labelled(
    offset: int, label: Label | Factors, *, id: str | None = None, task: str | None = None
) -> Message:
    image = np.full((4, 4), offset % 256, np.uint8)
    value, headers = encode_raw(image, label=label_text(label), id=id, task=task)
    return Message(value, "memory", 0, offset, headers=headers)


def counts(daemon: Daemon) -> tuple[int, int, int]:
    """Learned or withheld; rejected; duplicate."""
    assert daemon.learner is not None
    progress, tally = daemon.learner.progress, daemon.state.tally
    taken = progress.learned + progress.withheld
    assert taken + tally.rejected + tally.duplicate + tally.tombstone == tally.messages
    return taken, tally.rejected, tally.duplicate


def test_ids_in_the_label_field_are_dead_letters_and_known_classes_go_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stream = [labelled(n, f"order-{n}" if n % 2 else f"class-{n % 3}") for n in range(120)]
    daemon = run(settings(tmp_path, limits__max_classes=6), MemorySource(stream))
    assert daemon.learner is not None
    known = [daemon.learner.labels.label(index) for index in range(len(daemon.learner.labels))]
    assert sorted(map(str, known)) == ["class-0", "class-1", "class-2", "order-1", "order-3", "order-5"]
    assert counts(daemon) == (63, 57, 0)
    assert daemon.state.tally.reasons == {"classes": 57}
    shown = daemon.state.events.metrics.exposition().decode()
    assert 'streamlearner_rejects_total{reason="classes"} 57.0' in shown
    letters = (tmp_path / "dead-letters" / "dead_letters.jsonl").read_text().splitlines()
    assert [json.loads(line)["offset"] for line in letters] == list(range(7, 120, 2))
    assert "limits.max_classes (6)" in json.loads(letters[0])["detail"]
    assert sum("limits.max_classes" in record.getMessage() for record in caplog.records) == 1


def test_a_state_with_more_classes_than_a_lowered_limit_goes_on_learning_them(tmp_path: Path) -> None:
    stream = [labelled(n, n % 5) for n in range(40)]
    assert counts(run(settings(tmp_path, limits__max_classes=5), MemorySource(stream))) == (40, 0, 0)
    stream += [labelled(n, n % 6) for n in range(40, 100)]
    again = run(settings(tmp_path, limits__max_classes=2), MemorySource(stream))
    assert counts(again) == (90, 10, 0)
    assert again.learner is not None and len(again.learner.labels) == 5


def test_classes_are_counted_within_a_batch_and_each_factor_counts() -> None:
    labels: list[Label | Factors] = [
        "a",
        {"kind": "b", "size": 1},
        {"kind": "b", "size": 2},
        "a",
        {"kind": "b"},
    ]
    intake = an_intake(MemorySource([labelled(n, one) for n, one in enumerate(labels)]), max_classes=3)
    first, last = everything(intake)
    assert first.batch.labels == ("a", {"kind": "b", "size": 1}, "a")
    assert first.rejects == {"classes": 1} and len(last.batch) == 1


def test_what_was_one_class_too_many_may_be_sent_again_with_its_id() -> None:
    source = MemorySource([labelled(0, "a", id="1"), labelled(1, "b", id="2"), labelled(2, "a", id="1")])
    intake = an_intake(source, max_classes=1)
    (taken,) = everything(intake)
    assert isinstance(intake.dead_letters, CollectedRejects)
    assert [reject.message.offset for reject in intake.dead_letters.rejects] == [1]
    assert (taken.batch.labels, taken.duplicates) == (("a",), 1)
    assert intake.ids.admit("2") and not intake.ids.admit("1")


def test_a_duplicate_opens_no_class() -> None:
    stream = [labelled(0, "a", id="1"), labelled(1, "b", id="1"), labelled(2, "c"), labelled(3, "d")]
    (taken,) = everything(an_intake(MemorySource(stream), max_classes=2))
    assert taken.batch.labels == ("a", "c")
    assert (taken.duplicates, taken.rejects) == (1, {"classes": 1})


def test_known_classes_pass_whatever_their_number() -> None:
    source = MemorySource([labelled(0, "a"), labelled(1, "new"), labelled(2, "b")])
    intake = an_intake(source, max_classes=1)
    taken = intake.next_batch(timeout_s=0.0, known=Known(LabelSpace(["a", "b", "c"])))
    assert taken is not None
    assert (taken.batch.labels, taken.rejects) == (("a", "b"), {"classes": 1})


def test_ids_in_the_task_field_are_dead_letters_and_known_tasks_go_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stream = [labelled(n, n % 2, task=f"order-{n}" if n % 2 else "task") for n in range(60)]
    daemon = run(settings(tmp_path, limits__max_tasks=3), MemorySource(stream))
    assert daemon.learner is not None
    assert [daemon.learner.tasks.label(index) for index in range(3)] == ["task", "order-1", "order-3"]
    assert len(daemon.learner.tasks) == 3 and counts(daemon) == (32, 28, 0)
    assert daemon.state.tally.reasons == {"tasks": 28}
    assert sum("limits.max_tasks" in record.getMessage() for record in caplog.records) == 1


def test_factors_are_tasks_and_within_a_named_task_others() -> None:
    two: Factors = {"kind": "b", "size": 1}
    stream = [labelled(0, two), labelled(1, two, task="x"), labelled(2, two), labelled(3, {"third": "c"})]
    (taken,) = everything(an_intake(MemorySource(stream), max_tasks=3))
    assert taken.batch.labels == (two, two, {"third": "c"}) and taken.rejects == {"tasks": 1}


def test_tasks_that_are_passed_over_open_none() -> None:
    stream = [labelled(n, n, task=f"task-{n}") for n in range(4)]
    (taken,) = everything(an_intake(MemorySource(stream), max_tasks=1, uses_tasks=False))
    assert len(taken.batch) == 4


def test_a_program_is_refused_what_would_be_one_too_many_and_nothing_is_learned() -> None:
    X, few = np.zeros((4, 3)), {"limits.max_classes": 2, "limits.max_tasks": 1}
    learner = Learner(config=few)
    with pytest.raises(InvalidInput, match=r"y\[2\]: label 'c' would open classes beyond limits.max_classes"):
        learner.learn_many(X, ["a", "b", "c", "a"])
    with pytest.raises(InvalidInput, match=r"y\[1\]: task 's' would open tasks beyond limits.max_tasks"):
        learner.learn_many(X, ["a", "b", "a", "b"], tasks=["t", "s", "t", "t"])
    assert learner.learned == 0 and len(learner.classes_) == 0
    learner.learn_many(X, ["a", "b", "a", "b"])
    with pytest.raises(InvalidInput, match="'c'"):
        learner.learn_one(X[0], "c")
