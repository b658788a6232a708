"""Who answers is chosen in pieces between batches: none waits for the whole exam, and a restart goes on."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest
import torch
from torch import Tensor

from streamlearner.learning import exam_pieces as pieces
from streamlearner.learning.choice import Choice
from streamlearner.learning.evaluating import choices_until
from streamlearner.learning.learner import Learner
from streamlearner.methods.recollection_replay import RecollectionReplay
from tests.support.learners import a_batch, everything, restarted, slept, with_replay


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two examples."""
    monkeypatch.setattr(pieces, "PIECE_VALUES", 1)
    monkeypatch.setattr(pieces, "LEAST", 2)


def mid_choice() -> tuple[Learner, int]:
    """A learner in the middle of a choice, and the number of the next batch."""
    learner = with_replay()
    for number in range(100):
        learner.learn(a_batch(number))
        if learner.choice is not None and learner.choice.place > 2:
            return learner, number + 1
    raise AssertionError("no choice was ever under way")


@pytest.mark.usefixtures("small_pieces")
def test_a_restart_in_the_middle_of_a_choice_comes_to_the_same_bits() -> None:
    learner, number = mid_choice()
    again = restarted(learner, with_replay())
    assert again.choice == learner.choice
    made = 0
    for one in (learner, again):
        for later in range(number, number + 30):
            one.learn(a_batch(later))
            made += one.choice is None
    assert made
    assert everything(again) == everything(learner)


def test_a_small_exam_is_graded_at_once_when_it_is_due(monkeypatch: pytest.MonkeyPatch) -> None:
    learner = with_replay()
    asked: list[int] = []
    choose = learner.method.choose_answerer

    def noted(hits: Mapping[str, Tensor], labels: Tensor) -> None:
        asked.append(len(labels))
        choose(hits, labels)

    monkeypatch.setattr(learner.method, "choose_answerer", noted)
    for number in range(40):
        before = learner.progress.learned
        learner.learn(a_batch(number))
        due = choices_until(learner.progress.learned) > choices_until(before)
        assert asked == ([len(learner.exam)] if due else [])
        assert learner.choice is None
        asked.clear()


@pytest.mark.usefixtures("small_pieces")
def test_pieces_make_up_the_whole_exam_and_none_is_larger_than_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    learner, _ = mid_choice()
    exam, method = learner.exam, learner.method
    sizes: list[int] = []
    answers = method.answers

    def noted(inputs: Tensor, tasks: Tensor | None) -> dict[str, Tensor]:
        sizes.append(len(inputs))
        return answers(inputs, tasks)

    monkeypatch.setattr(method, "answers", noted)
    choice = Choice()
    while not choice.evaluate(exam, method, names_tasks=True, beside=10):
        again = Choice.restored(json.loads(json.dumps(choice.state())))
        assert again is not None
        choice = again
    assert max(sizes) == 2
    assert choice.labels == exam.labels.tolist()
    whole = exam.hits_by(answers, names_tasks=True)
    assert {name: hits.tolist() for name, hits in whole.items()} == choice.hits


@pytest.mark.usefixtures("small_pieces")
def test_a_large_batch_is_accompanied_by_as_much_more() -> None:
    learner, _ = mid_choice()
    choice = Choice()
    choice.evaluate(learner.exam, learner.method, names_tasks=True, beside=45)
    assert choice.place == min(len(learner.exam), 8)


@pytest.mark.usefixtures("small_pieces")
def test_what_was_graded_of_another_network_does_not_count() -> None:
    learner, number = mid_choice()
    assert slept(learner).adopted
    assert learner.choice == Choice()
    learner.learn(a_batch(number))


@pytest.mark.usefixtures("small_pieces")
def test_where_others_may_answer_grading_begins_again() -> None:
    learner, _ = mid_choice()
    choice, method = Choice(), learner.method
    assert isinstance(method, RecollectionReplay)
    choice.evaluate(learner.exam, method, names_tasks=True, beside=10)
    method.answering.statistics = None
    assert not choice.evaluate(learner.exam, method, names_tasks=True, beside=10)
    assert choice == Choice()
