"""A sleep is judged and measured in pieces between batches, and a restart goes on with the same piece."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from streamlearner.learning import exam_pieces
from streamlearner.learning.learner import Learner
from streamlearner.learning.results import ConsolidationResult
from streamlearner.methods.recollection_replay import RecollectionReplay
from tests.support.learners import a_batch, everything, restarted, slept, with_replay

AWAKE = 24


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two examples, as long as two steps."""
    monkeypatch.setattr(exam_pieces, "PIECE_VALUES", 1)
    monkeypatch.setattr(exam_pieces, "LEAST", 2)
    monkeypatch.setattr(exam_pieces, "STEPS_OF_A_PIECE", 2)


def awake() -> Learner:
    learner = with_replay()
    for number in range(AWAKE):
        learner.learn(a_batch(number))
    return learner


def turns(learner: Learner, first: int) -> Iterator[tuple[int, ConsolidationResult | None]]:
    """A batch and two steps each, until all is done; the numbers of the next batch."""
    for number in range(first, first + 200):
        if not learner.unfinished:
            return
        learner.learn(a_batch(number))
        yield number + 1, learner.consolidate(2)
    raise AssertionError("a sleep did not end")


def to_its_end(learner: Learner, first: int) -> list[ConsolidationResult]:
    return [result for _, result in turns(learner, first) if result is not None]


def figures(learner: Learner) -> object:
    learner.evaluate()
    facts = learner.facts()
    return facts["matrix"], facts["readout"], facts["last_sleep"], facts["progress"], learner.exam_accuracy


def test_in_pieces_a_sleep_ends_as_it_does_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    at_once, in_pieces = awake(), awake()
    assert not at_once.in_pieces
    expected = slept(at_once)
    monkeypatch.setattr(exam_pieces, "PIECE_VALUES", 1)
    monkeypatch.setattr(exam_pieces, "LEAST", 2)
    assert in_pieces.in_pieces
    in_pieces.begin_consolidation()
    assert in_pieces.consolidate(1_000) == expected
    in_pieces.finish_measuring()
    assert figures(in_pieces) == figures(at_once)
    assert everything(in_pieces) == everything(at_once)


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("turn", [10, 40, 100])
def test_a_restart_amid_the_end_comes_to_the_same_bits(turn: int) -> None:
    learner = awake()
    learner.begin_consolidation()
    course, results = turns(learner, AWAKE), list[ConsolidationResult | None]()
    number = AWAKE
    for _ in range(turn):
        number, result = next(course)
        results.append(result)
    learner.finish_probing()  # as before each checkpoint
    again = restarted(learner, with_replay())
    ends = [to_its_end(one, number) for one in (learner, again)]
    assert ends[0] == ends[1]
    assert sum(result is not None for result in results) + len(ends[0]) == 1
    assert everything(again) == everything(learner)


@pytest.mark.usefixtures("small_pieces")
def test_no_turn_asks_for_more_than_a_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    learner, asked, probed = awake(), list[int](), list[int]()
    answers, features = RecollectionReplay.answers, RecollectionReplay.features

    def noted_answers(self: RecollectionReplay, inputs: Tensor, tasks: Tensor | None) -> dict[str, Tensor]:
        asked.append(len(inputs))
        return answers(self, inputs, tasks)

    def noted_features(self: RecollectionReplay, inputs: Tensor) -> Tensor:
        probed.append(len(inputs))
        return features(self, inputs)

    monkeypatch.setattr(RecollectionReplay, "answers", noted_answers)
    monkeypatch.setattr(RecollectionReplay, "features", noted_features)
    learner.begin_consolidation()
    whole = 0
    for _ in turns(learner, AWAKE):
        assert sum(asked) + sum(probed) <= 2
        whole += sum(probed)
        asked.clear()
        probed.clear()
    assert whole >= AWAKE
    assert learner.readout["overall"] > 0


@pytest.mark.usefixtures("small_pieces")
def test_each_sleep_has_its_row_where_the_next_begins_before_all_is_measured() -> None:
    learner = awake()
    for _ in range(3):
        learner.begin_consolidation()
        while learner.consolidate(2) is None:
            pass
        assert learner.measuring is not None
    learner.finish_measuring()
    assert len(learner.matrix.rows) == learner.progress.period == 3


@pytest.mark.usefixtures("small_pieces")
def test_an_evaluation_in_pieces_is_that_of_the_whole_exam() -> None:
    learner = awake()
    expected = learner.evaluate()
    learner.exam_accuracy = None
    learner.begin_evaluation()
    pieces = 0
    while learner.evaluation is not None:
        learner.evaluate_next()
        pieces += 1
    assert pieces > len(learner.exam) // 2
    assert learner.exam_accuracy == expected


def test_one_answerer_asked_alone_answers_as_among_all() -> None:
    method, inputs = (learner := awake()).method, learner.exam.inputs
    assert len(method.answerers) >= 4
    for name, expected in method.answers(inputs, None).items():
        assert torch.equal(method.answers_by(name, inputs, None), expected)
