"""The predictor names what a method answers."""

from __future__ import annotations

from typing import Self

import pytest
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from streamlearner.decoding.label_space import LabelSpace
from streamlearner.decoding.labels import FactorValue
from streamlearner.learning.predictor import Answer, ModelVersion, Predictor


class Parrot:
    """Answers with fixed probabilities, and remembers which tasks it was asked about."""

    def __init__(self, *rows: list[float]) -> None:
        self.rows = torch.tensor(rows) if rows else torch.zeros(1, 0)
        self.asked: list[list[int] | None] = []

    @property
    def classes(self) -> int:
        return self.rows.shape[1]

    @property
    def route(self) -> str:
        return "neocortex"

    def predict_proba(self, inputs: Tensor, tasks: Tensor | None) -> Tensor:
        self.asked.append(None if tasks is None else tasks.tolist())
        return self.rows[: len(inputs)]

    def frozen(self) -> Self:
        return type(self)(*self.rows.tolist())


def a_predictor(parrot: Parrot) -> Predictor:
    return Predictor(
        method=parrot,
        labels=LabelSpace(["cat", 7, "dog"]),
        tasks=LabelSpace(["indoors", "outdoors"]),
        version=ModelVersion(3, 1200),
        input_shape=(2,),
    )


def test_an_answer_is_the_most_probable_label_with_its_probability_and_route() -> None:
    predictor = a_predictor(Parrot([0.25, 0.5, 0.25], [0.75, 0.125, 0.125]))
    assert predictor.predict(torch.zeros(2, 2)) == [
        Answer(7, 0.5, "neocortex"),
        Answer("cat", 0.75, "neocortex"),
    ]


def test_all_probabilities_come_by_label_where_asked_for() -> None:
    (answer,) = a_predictor(Parrot([0.25, 0.5, 0.25])).predict(torch.zeros(1, 2), probabilities=True)
    assert answer.probabilities == {"cat": 0.25, 7: 0.5, "dog": 0.25}


def of_factors(*rows: list[float]) -> tuple[Predictor, Parrot]:
    labels = LabelSpace(
        [FactorValue("a", "x"), FactorValue("b", 1), FactorValue("a", "y"), FactorValue("b", 2)]
    )
    parrot = Parrot(*rows)
    return Predictor(
        method=parrot, labels=labels, tasks=LabelSpace(["a", "t/b", "b"]), version="0.1", input_shape=(2,)
    ), parrot


def test_where_labels_have_factors_each_answers_among_its_own_classes() -> None:
    predictor, parrot = of_factors([0.125, 0.75, 0.0625, 0.0625])
    assert predictor.predict(torch.zeros(1, 2), probabilities=True) == [
        Answer(
            label={"a": "x", "b": 1},
            probability={"a": pytest.approx(2 / 3), "b": pytest.approx(12 / 13)},
            route="neocortex",
            probabilities={
                "a": {"x": pytest.approx(2 / 3), "y": pytest.approx(1 / 3)},
                "b": {1: pytest.approx(12 / 13), 2: pytest.approx(1 / 13)},
            },
        )
    ]
    assert parrot.asked == [[0], [2]]


def test_a_task_that_is_a_factor_answers_alone_and_another_task_has_factors_of_its_own() -> None:
    predictor, parrot = of_factors([0.125, 0.75, 0.0625, 0.0625])
    (alone,) = predictor.predict(torch.zeros(1, 2), task="b")
    assert (alone.label, parrot.asked.pop()) == ({"b": 1}, [2])
    (both,) = predictor.predict(torch.zeros(1, 2), task="t")
    assert (both.label, parrot.asked) == ({"a": "x", "b": 1}, [[0], [1]])


def test_a_factor_of_which_nothing_was_learned_yet_is_left_out() -> None:
    predictor, _ = of_factors([1.0])
    (answer,) = predictor.predict(torch.zeros(1, 2))
    assert answer.label == {"a": "x"}


def test_an_answer_with_a_factor_that_is_no_number_is_not_finite() -> None:
    assert Answer({"a": 1}, {"a": 0.5}, "neocortex").finite
    assert not Answer({"a": 1, "b": 1}, {"a": 0.5, "b": float("nan")}, "neocortex").finite
    assert not Answer(1, float("nan"), "neocortex").finite


def test_a_label_that_only_the_exam_has_met_is_no_answer_yet() -> None:
    (answer,) = a_predictor(Parrot([0.25, 0.75])).predict(torch.zeros(1, 2), probabilities=True)
    assert answer.probabilities == {"cat": 0.25, 7: 0.75}


@pytest.mark.parametrize(("task", "asked"), [(None, None), ("outdoors", [1, 1]), ("unheard of", None)])
def test_a_task_goes_to_the_method_by_index_and_an_unknown_one_as_none(
    task: str | None, asked: object
) -> None:
    parrot = Parrot([1.0], [1.0])
    a_predictor(parrot).predict(torch.zeros(2, 2), task=task)
    assert parrot.asked == [asked]


def test_asking_about_an_unknown_task_makes_it_no_better_known() -> None:
    predictor = a_predictor(Parrot([1.0]))
    predictor.predict(torch.zeros(1, 2), task="unheard of")
    assert predictor.tasks.state() == ["indoors", "outdoors"]


def test_it_is_ready_once_a_class_is_known() -> None:
    assert not a_predictor(Parrot()).ready
    assert a_predictor(Parrot([1.0])).ready


def test_a_frozen_one_keeps_its_labels_and_tasks_and_answers() -> None:
    parrot = Parrot([0.25, 0.75])
    predictor = a_predictor(parrot)
    frozen = predictor.freeze()
    predictor.labels.index("bird")
    predictor.tasks.index("at sea")
    parrot.rows = torch.tensor([[1.0, 0.0, 0.0, 0.0]])
    predictor.version = ModelVersion(3, 1300)
    assert str(frozen.version) == "3.1200"
    assert frozen.labels.state() == ["cat", 7, "dog"]
    assert frozen.tasks.state() == ["indoors", "outdoors"]
    assert frozen.predict(torch.zeros(1, 2)) == [Answer(7, 0.75, "neocortex")]


class Echo(Parrot):
    """Answers with the class that an input names."""

    def __init__(self) -> None:
        super().__init__([0.0, 0.0, 0.0, 1.0])

    def predict_proba(self, inputs: Tensor, tasks: Tensor | None) -> Tensor:
        self.asked.append([len(inputs)])
        return one_hot(inputs[:, 0].to(torch.int64), 4).float()

    def frozen(self) -> Self:
        return self


@pytest.mark.parametrize("count", [0, 1, 16, 17, 100, 300, 1_024])
def test_many_inputs_are_answered_in_their_order_by_batches_of_few_sizes(count: int) -> None:
    echo = Echo()
    inputs = torch.arange(count)[:, None] % 4
    answers = a_predictor(echo).predict_proba(inputs.float())
    assert answers.shape == (count, 4)
    assert answers.argmax(1).tolist() == inputs[:, 0].tolist()
    sizes = {asked[0] for asked in echo.asked if asked}
    assert count <= 16 or sizes <= {2**power for power in range(9)}
