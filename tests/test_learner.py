"""The learner keeps method, exam, labels, versions and a sleep under way in step, through any restart."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, Self

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from streamlearner.evaluation.exam import Exam
from streamlearner.evaluation.prequential import Prequential
from streamlearner.learner import Learner, Verdict
from streamlearner.methods.base import Curriculum, DualMemory, Experience, Observation
from streamlearner.stream import Batch, Label
from tests.methods.arms import TINY, exactly, make

SLEEP_STEPS = 5


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


class Skill(nn.Module):
    """How many of the classes it knows."""

    known: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("known", torch.tensor(0))


class Oracle(DualMemory):
    """Inputs [n, 1] are their own class index. It answers right for the first `known` classes, else wrong; awake it
    comes to know all, and a sleep leaves it with `dreams_of`."""

    def __init__(self, *, dreams_of: int) -> None:
        super().__init__()
        self.hippocampus, self.neocortex, self.curriculum = Skill(), Skill(), Curriculum()
        self.dreams_of = dreams_of
        self.observed: list[int] = []

    def observe(self, experience: Experience) -> Observation:
        self.curriculum.meet(experience.labels, experience.tasks)
        predicted = self.predict_proba(experience.inputs, experience.tasks).argmax(1)
        self.hippocampus.known.fill_(self.classes)
        self.observed += experience.labels.tolist()
        return Observation(predicted=predicted, loss=0.0)

    def consolidate(self, candidate: Self) -> Iterator[None]:
        for _ in range(SLEEP_STEPS):
            candidate.neocortex.known += 1
            yield
        candidate.neocortex.known.fill_(self.dreams_of)

    def adopt(self, candidate: Self) -> None:
        for skill in (self.neocortex, self.hippocampus):
            skill.load_state_dict(candidate.neocortex.state_dict())

    def revert(self, neocortex: dict[str, Tensor]) -> None:
        for skill in (self.neocortex, self.hippocampus):
            skill.load_state_dict(neocortex)

    def predict_proba(self, inputs: Tensor, tasks: Tensor | None) -> Tensor:
        classes = inputs[:, 0].to(torch.int64).clamp_max(self.classes - 1)
        wrong = (classes + 1) % self.classes
        return F.one_hot(torch.where(classes < self.hippocampus.known, classes, wrong), self.classes).float()

    def features(self, inputs: Tensor) -> Tensor:
        return F.one_hot(inputs[:, 0].to(torch.int64), 10).float()


def of_classes(labels: Sequence[Label], tasks: Sequence[str | None] | None = None) -> Batch:
    """For the oracle: labels "0", "1", ... arrive in order in these tests, so that a label is its own index."""
    inputs = torch.tensor([[float(label)] for label in labels])
    named = tuple(tasks) if tasks is not None else (None,) * len(labels)
    return Batch(inputs=inputs, labels=tuple(labels), tasks=named, ids=(None,) * len(labels))


def with_oracle(*, dreams_of: int = 4, fraction: float = 0.5, tolerance: float = 0.1, uses_tasks: bool = True) -> Learner:
    return Learner(
        make_method=lambda: Oracle(dreams_of=dreams_of),
        exam=Exam(budget_bits=50 * 128, fraction=fraction, input_shape=(1,), dtype=torch.float32, seed=0),
        prequential=Prequential(window=10),
        tolerance=tolerance,
        measures_readout=True,
        uses_tasks=uses_tasks,
    )


def with_replay() -> Learner:
    return Learner(
        make_method=lambda: make("recollection_replay", sleep__steps=SLEEP_STEPS),
        exam=Exam(budget_bits=20_000, fraction=0.3, input_shape=TINY.shape, dtype=TINY.dtype, seed=0),
        prequential=Prequential(window=30),
        tolerance=1.0,
        measures_readout=True,
        uses_tasks=True,
    )


def a_batch(number: int) -> Batch:
    """For replay: new classes and tasks come in now and then."""
    labels = [(number * 7 + i * i) % (3 + number // 4) for i in range(6)]
    tasks = tuple(f"task {label % 2}" if number > 5 else None for label in labels)
    names = tuple(f"class {label}" for label in labels)
    return Batch(inputs=TINY.inputs(labels, seed=number), labels=names, tasks=tasks, ids=(None,) * 6)


def slept(learner: Learner) -> Verdict:
    learner.fall_asleep()
    verdict = learner.consolidate(1_000)
    assert verdict is not None
    return verdict


def restarted(learner: Learner, fresh: Learner) -> Learner:
    """Through what a checkpoint holds: flat tensors and JSON."""
    tensors = {
        file: {name: tensor.detach().clone() for name, tensor in part.items()} for file, part in learner.tensors().items()
    }
    fresh.restore(tensors, json.loads(json.dumps(learner.facts())))
    return fresh


def everything(learner: Learner) -> dict[str, Any]:
    tensors = {f"{file}/{name}": exactly(t) for file, part in learner.tensors().items() for name, t in part.items()}
    return tensors | learner.facts()


# wake


def test_each_example_is_either_withheld_or_learned_once() -> None:
    learner = with_oracle()
    labels = [str(i % 4) for i in range(40)]
    lessons = [learner.learn(of_classes(labels[i : i + 8])) for i in range(0, 40, 8)]
    method = learner.method
    assert isinstance(method, Oracle)
    assert sum(lesson.withheld for lesson in lessons) == learner.progress.withheld == len(learner.exam) > 0
    assert sum(lesson.learned for lesson in lessons) == learner.progress.learned == len(method.observed) > 0
    assert sorted(method.observed + learner.exam.labels.tolist()) == sorted(int(label) for label in labels)


def test_a_batch_that_is_withheld_whole_is_no_lesson() -> None:
    learner = with_oracle(fraction=1.0)
    lesson = learner.learn(of_classes(["0", "1"]))
    assert (lesson.withheld, lesson.learned, lesson.observation) == (2, 0, None)
    assert learner.prequential.accuracy is None
    assert learner.grade().overall == 0.0  # nothing was learned: no answer is right
    assert learner.predictor().ready is False


def test_the_prequential_window_counts_answers_given_before_learning() -> None:
    learner = with_oracle(fraction=0.0)
    learner.learn(of_classes(["0", "1", "2", "3"]))
    assert learner.prequential.accuracy == 0.0
    learner.learn(of_classes(["0", "1", "2", "3"]))
    assert learner.prequential.accuracy == 0.5


def test_tasks_cost_nothing_until_one_is_named_and_count_from_then_on() -> None:
    learner = with_oracle(fraction=0.0)
    learner.learn(of_classes(["0"]))
    assert not learner.method.curriculum.names_tasks
    learner.learn(of_classes(["0", "1"], ["left", None]))
    learner.learn(of_classes(["2"]))
    assert learner.tasks.state() == ["left"]
    assert learner.method.curriculum.seen.tolist() == [[True, False, False], [True, True, True]]


def test_tasks_can_be_ignored() -> None:
    learner = with_oracle(uses_tasks=False)
    learner.learn(of_classes(["0", "1"], ["left", "right"]))
    assert learner.tasks.state() == []
    assert not learner.method.curriculum.names_tasks


def test_a_task_that_only_the_exam_has_met_can_be_graded_and_asked_about() -> None:
    learner = with_replay()
    learner.exam.fraction = 0.0
    learner.learn(a_batch(0))
    learner.exam.fraction = 1.0
    learner.learn(a_batch(9))
    assert learner.progress.withheld == 6
    assert learner.grade().by_task.keys() == {0, 1}
    proba = learner.predictor().freeze(version="1").predict_proba(TINY.inputs([0], seed=1), task="task 1")
    assert float(proba.sum()) == pytest.approx(1.0)


# grading


def test_grades_are_by_class_task_and_period_of_what_would_answer_now() -> None:
    learner = with_oracle(fraction=1.0)
    learner.learn(of_classes(["0", "1", "2", "3"] * 3, ["left", "right", None, None] * 3))
    learner.exam.fraction = 0.0
    learner.learn(of_classes(["0", "1", "2", "3"]))
    learner.method.hippocampus.known.fill_(1)
    grades = learner.grade()
    assert grades is learner.grades
    assert grades.by_class == {0: 1.0, 1: 0.0, 2: 0.0, 3: 0.0}
    assert grades.by_task == {0: 1.0, 1: 0.0}
    assert grades.overall == 0.25
    assert grades.by_period == {0: 0.25}


def test_the_readout_names_classes_and_tasks_as_the_stream_does() -> None:
    learner = with_oracle(fraction=1.0)
    learner.learn(of_classes(["0", "1"] * 10, ["left", "right"] * 10))
    learner.exam.fraction = 0.0
    learner.learn(of_classes(["0", "1"]))
    slept(learner)
    assert learner.readout == {"overall": 1.0, "class:0": 1.0, "class:1": 1.0, "task:left": 1.0, "task:right": 1.0}


# sleep


def prepared(*, dreams_of: int, tolerance: float = 0.1) -> Learner:
    """Knows four classes and has an exam of each."""
    learner = with_oracle(dreams_of=dreams_of, tolerance=tolerance)
    for _ in range(10):
        learner.learn(of_classes(["0", "1", "2", "3"]))
    return learner


def test_a_candidate_that_keeps_what_was_known_is_adopted_as_a_new_version() -> None:
    learner = prepared(dreams_of=4)
    verdict = slept(learner)
    assert verdict == Verdict(adopted=True, steps=SLEEP_STEPS, before=1.0, after=1.0, version=1)
    assert not learner.asleep
    assert int(learner.method.neocortex.known) == 4
    assert (learner.progress.adopted, learner.progress.refused, learner.progress.period) == (1, 0, 1)
    assert learner.version == f"1.{learner.progress.learned}"
    assert slept(learner).version == 2


def test_a_refused_candidate_changes_nothing() -> None:
    learner = prepared(dreams_of=2)
    before = {name: exactly(tensor) for name, tensor in learner.method.state_dict().items()}
    verdict = slept(learner)
    assert verdict == Verdict(adopted=False, steps=SLEEP_STEPS, before=1.0, after=0.5, version=0)
    assert {name: exactly(tensor) for name, tensor in learner.method.state_dict().items()} == before
    assert (learner.progress.adopted, learner.progress.refused, learner.progress.version) == (0, 1, 0)
    assert learner.grade().overall == 1.0
    assert learner.matrix.rows == [[1.0]]


@pytest.mark.parametrize(("tolerance", "adopted"), [(0.24, False), (0.25, True)])
def test_the_tolerance_is_how_much_may_be_lost(tolerance: float, adopted: bool) -> None:
    assert slept(prepared(dreams_of=3, tolerance=tolerance)).adopted is adopted


def test_without_an_exam_every_candidate_is_adopted() -> None:
    learner = with_oracle(fraction=0.0, dreams_of=0)
    learner.learn(of_classes(["0", "1"]))
    verdict = slept(learner)
    assert (verdict.adopted, verdict.before, verdict.after) == (True, None, None)


def test_steps_may_come_in_any_portions_and_nothing_happens_awake() -> None:
    learner = prepared(dreams_of=4)
    assert learner.consolidate(3) is None
    learner.fall_asleep()
    assert [learner.consolidate(n) for n in (1, 0, 3, 1)] == [None] * 4
    verdict = learner.consolidate(1)
    assert verdict is not None
    assert verdict.steps == SLEEP_STEPS


def test_periods_count_sleeps_and_the_matrix_shows_each() -> None:
    learner = prepared(dreams_of=4)
    slept(learner)
    for _ in range(10):
        learner.learn(of_classes(["0", "1", "2", "3"]))
    slept(learner)
    assert learner.exam.periods.unique().tolist() == [0, 1]
    assert learner.matrix.rows == [[1.0], [1.0, 1.0]]


def test_a_revert_answers_from_the_old_version_gives_up_a_sleep_and_numbers_go_on() -> None:
    learner = prepared(dreams_of=4)
    slept(learner)
    version = {name: tensor.clone() for name, tensor in learner.method.neocortex.state_dict().items()}
    slept(learner)
    learner.method.hippocampus.known.fill_(0)
    learner.fall_asleep()
    learner.revert(version=1, neocortex=version)
    assert not learner.asleep
    assert learner.version == f"1.{learner.progress.learned}"
    assert learner.grade().overall == 1.0
    assert slept(learner).version == 3


# restart


@pytest.mark.parametrize("batches", [0, 1, 9])
def test_a_restart_between_batches_continues_to_the_same_bits(batches: int) -> None:
    learner = with_replay()
    for number in range(batches):
        learner.learn(a_batch(number))
    again = restarted(learner, with_replay())
    assert everything(again) == everything(learner)
    for one in (learner, again):
        for number in range(batches, batches + 3):
            one.learn(a_batch(number))
        slept(one)
        one.learn(a_batch(20))
    assert everything(again) == everything(learner)


@pytest.mark.parametrize("steps", [0, 2, SLEEP_STEPS])
def test_a_restart_in_mid_sleep_comes_to_the_same_verdict_and_bits(steps: int) -> None:
    learner = with_replay()
    for number in range(8):
        learner.learn(a_batch(number))
    learner.fall_asleep()
    learner.consolidate(steps)
    learner.learn(a_batch(8))
    again = restarted(learner, with_replay())
    assert again.asleep
    assert everything(again) == everything(learner)
    verdicts = []
    for one in (learner, again):
        one.learn(a_batch(9))
        verdicts.append(one.consolidate(1_000))
        one.learn(a_batch(10))
    assert verdicts[0] is not None
    assert verdicts[0].steps == SLEEP_STEPS
    assert verdicts[0] == verdicts[1]
    assert everything(again) == everything(learner)


def test_what_a_checkpoint_holds_does_not_change_while_the_sleep_goes_on() -> None:
    learner = with_replay()
    for number in range(6):
        learner.learn(a_batch(number))
    learner.fall_asleep()
    held = {name: exactly(tensor) for name, tensor in learner.tensors()["dream"].items()}
    learner.consolidate(3)
    learner.learn(a_batch(6))
    assert {name: exactly(tensor) for name, tensor in learner.tensors()["dream"].items()} == held


def test_facts_are_json_and_the_counters_come_back() -> None:
    learner = prepared(dreams_of=2)
    slept(learner)
    again = restarted(learner, with_oracle(dreams_of=2))
    assert again.progress == learner.progress
    assert again.labels.state() == [0, 1, 2, 3] or again.labels.state() == ["0", "1", "2", "3"]
    assert again.readout == learner.readout
    assert again.grades == learner.grades
    assert again.version == learner.version


def test_stored_bits_name_every_store_once() -> None:
    learner = with_replay()
    for number in range(4):
        learner.learn(a_batch(number))
    stored = learner.stored_bits()
    assert stored == {**learner.method.stored_bits(), "exam": learner.exam.stored_bits}
    assert stored.keys() == {"recollections", "exam"}
