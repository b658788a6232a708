"""The exam: bounded in bits, fair to the classes, never learned from, and cheaper as the stream goes on."""

from __future__ import annotations

import copy
from collections import Counter

import pytest
import torch
from torch import Tensor

from streamlearner.evaluation.exam import FACTS_BITS, Exam

SHAPE = (4,)
EXAMPLE_BITS = 8 * 4 + FACTS_BITS


def an_exam(places: int, *, fraction: float = 1.0, seed: int = 0) -> Exam:
    budget_bits = places * EXAMPLE_BITS + 7  # not quite one more
    return Exam(budget_bits=budget_bits, fraction=fraction, input_shape=SHAPE, dtype=torch.uint8, seed=seed)


def numbered(first: int, count: int) -> Tensor:
    """Inputs that say which example they are: its number in base 256."""
    return (torch.arange(first, first + count)[:, None] >> torch.tensor([24, 16, 8, 0])).to(torch.uint8)


def numbers(inputs: Tensor) -> list[int]:
    return (inputs.to(torch.int64) << torch.tensor([24, 16, 8, 0])).sum(1).tolist()


def offer(exam: Exam, labels: list[int], *, first: int = 0, size: int = 10, period: int = 0) -> list[int]:
    """The numbers of the examples that the exam took, in batches of `size`."""
    taken = []
    for start in range(0, len(labels), size):
        part = torch.tensor(labels[start : start + size])
        batch = exam.withhold(numbered(first + start, len(part)), part, None, period=period)
        taken += [first + start + i for i in batch]
    return taken


def by_class(exam: Exam) -> Counter[int]:
    return Counter(exam.labels.tolist())


@pytest.mark.parametrize("places", [0, 1, 7, 150])
def test_holds_as_many_as_the_budget_and_not_one_bit_more(places: int) -> None:
    exam = an_exam(places)
    for step in range(100):
        offer(exam, [step % 3, 1], first=2 * step)
        assert exam.stored_bits <= exam.budget_bits
        assert len(exam) * EXAMPLE_BITS <= exam.stored_bits <= len(exam) * EXAMPLE_BITS * 1.01 + EXAMPLE_BITS
    assert len(exam) == exam.capacity == places


def test_bits_are_those_of_the_arrays_held() -> None:
    exam = Exam(budget_bits=10**6, fraction=1.0, input_shape=(3, 2, 2), dtype=torch.uint8, seed=0)
    exam.withhold(torch.zeros(5, 3, 2, 2, dtype=torch.uint8), torch.arange(5), None, period=0)
    assert exam.stored_bits == 8 * (exam.inputs.nbytes + 5 * 12)


def test_what_is_examined_was_withheld_and_everything_else_passed_on() -> None:
    exam = an_exam(20, fraction=0.5)
    labels = [i % 4 for i in range(400)]
    taken = offer(exam, labels)
    held = numbers(exam.inputs)
    assert len(set(held)) == 20
    assert set(held) <= set(taken)
    assert [labels[number] for number in held] == exam.labels.tolist()


def test_raw_inputs_labels_tasks_and_periods_come_back_as_they_went_in() -> None:
    exam = Exam(budget_bits=10**5, fraction=1.0, input_shape=(3,), dtype=torch.float32, seed=0)
    inputs = torch.randn(4, 3, generator=torch.Generator().manual_seed(1))
    exam.withhold(inputs[:2], torch.tensor([5, 0]), torch.tensor([2, -1]), period=0)
    exam.withhold(inputs[2:], torch.tensor([1, 5]), None, period=7)
    assert torch.equal(exam.inputs, inputs)
    assert exam.labels.tolist() == [5, 0, 1, 5]
    assert exam.tasks.tolist() == [2, -1, -1, -1]
    assert exam.periods.tolist() == [0, 0, 7, 7]


def test_only_the_fraction_is_considered() -> None:
    exam = an_exam(10_000, fraction=0.1)
    taken = offer(exam, [0] * 5_000)
    assert 400 < len(taken) < 600


def test_a_class_that_comes_later_gets_its_share() -> None:
    exam = an_exam(60)
    for label in range(6):
        offer(exam, [label] * 500, first=500 * label)
    assert set(by_class(exam).values()) == {10}


def test_a_rare_class_is_held_whole_until_it_is_as_large_as_the_others() -> None:
    exam = an_exam(40)
    rare = set(offer_mixed(exam, 2_000, one_in=100))
    assert rare <= set(numbers(exam.inputs))
    assert len(rare) == 20


def offer_mixed(exam: Exam, count: int, *, one_in: int) -> list[int]:
    labels = [1 if i % one_in == 0 else 0 for i in range(count)]
    offer(exam, labels)
    return [i for i, label in enumerate(labels) if label == 1]


@pytest.mark.parametrize("order", ["mixed", "class by class"])
def test_each_class_has_a_place_before_any_has_two(order: str) -> None:
    exam = an_exam(120)
    labels = [i % 100 for i in range(2_000)] if order == "mixed" else [i // 20 for i in range(2_000)]
    offer(exam, labels)
    assert len(by_class(exam)) == 100


@pytest.mark.parametrize("order", ["mixed", "class by class and again"])
def test_with_fewer_places_than_classes_they_take_turns_and_ever_more_slowly(order: str) -> None:
    exam, seen = an_exam(85), Counter[int]()
    costs = []
    for part in range(8):
        labels = [i % 100 for i in range(2_000)] if order == "mixed" else [i // 20 for i in range(2_000)]
        costs.append(0)
        for first in range(0, 2_000, 10):
            costs[-1] += len(offer(exam, labels[first : first + 10], first=2_000 * part + first))
            seen.update(by_class(exam))
        held = by_class(exam)
        assert max(held.values()) == 1 and len(held) == 85
    assert len(seen) == 100
    assert costs[-1] < costs[0] / 4


def test_a_class_that_lost_its_place_has_one_again_before_any_has_two() -> None:
    exam = an_exam(4)
    offer(exam, [0, 1, 2, 3, 4, 5])  # two of them have no place
    exam._counts, exam._facts[:, 0] = {0: 4}, 0  # as where others were taken out since
    offer(exam, [1, 2, 3], first=6)
    assert by_class(exam) == {0: 1, 1: 1, 2: 1, 3: 1}


def test_within_a_class_every_example_of_the_stream_is_as_likely_to_be_held() -> None:
    early = total = 0
    for seed in range(120):
        exam = an_exam(15, seed=seed)  # 7 or 8 of each class: not a whole number
        offer(exam, [i % 2 for i in range(300)])
        held = numbers(exam.inputs)
        early, total = early + sum(number < 150 for number in held), total + len(held)
    assert 0.45 < early / total < 0.55


@pytest.mark.parametrize("places", [100, 105])
def test_its_cost_to_the_learner_evaporates(places: int) -> None:
    """As 10 of n candidates of a class: few are worth a change once n is large. 105 do not divide by 10."""
    exam = an_exam(places)
    costs = [len(offer(exam, [i % 10 for i in range(5_000)], first=5_000 * part)) for part in range(4)]
    assert costs[0] < 800
    assert costs[3] < 60


def test_a_restart_continues_bit_for_bit() -> None:
    whole = an_exam(30, fraction=0.5)
    offer(whole, [i % 7 for i in range(700)])
    halved = an_exam(30, fraction=0.5)
    offer(halved, [i % 7 for i in range(350)])
    restarted = an_exam(30, fraction=0.5, seed=99)
    restarted.load_state_dict({name: tensor.clone() for name, tensor in halved.state_dict().items()})
    offer(restarted, [i % 7 for i in range(350, 700)], first=350)
    expected, found = whole.state_dict(), restarted.state_dict()
    assert {n: t.tolist() for n, t in found.items()} == {n: t.tolist() for n, t in expected.items()}


def test_a_smaller_budget_at_a_restart_is_kept_at_once() -> None:
    former = an_exam(30)
    offer(former, [i % 3 for i in range(90)])
    exam = an_exam(12)
    exam.load_state_dict(former.state_dict())
    assert len(exam) == 12
    assert exam.stored_bits <= exam.budget_bits
    offer(exam, [3] * 50, first=90)
    assert len(exam) == 12
    assert by_class(exam)[3] == 3


def test_state_is_a_copy() -> None:
    exam = an_exam(10)
    offer(exam, [0, 1] * 5)
    saved = exam.state_dict()
    before = copy.deepcopy(saved)
    offer(exam, [2] * 50, first=10)
    assert all(torch.equal(saved[name], before[name]) for name in before)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_an_empty_exam_has_inputs_of_the_right_shape(dtype: torch.dtype) -> None:
    exam = Exam(budget_bits=1_000, fraction=0.0, input_shape=(5,), dtype=dtype, seed=0)
    assert exam.inputs.shape == (0, 5)
    assert exam.inputs.dtype == dtype


def test_no_budget_means_no_exam_and_no_draw() -> None:
    exam = an_exam(0)
    assert offer(exam, [0, 1, 2] * 10) == []
    assert exam.inputs.shape == (0, *SHAPE)


def test_an_exam_that_grows_is_asked_in_batches_of_few_sizes() -> None:
    """Kernels of convolutions are compiled and kept for each."""
    exam, sizes, asked = an_exam(500), set(), 0

    def answers(inputs: Tensor, tasks: Tensor | None) -> dict[str, Tensor]:
        nonlocal asked
        asked += len(inputs)
        sizes.add(len(inputs))
        return {"one": torch.zeros(len(inputs), 3)}

    for number in range(0, 700, 7):
        exam.withhold(numbered(number, 7), torch.zeros(7, dtype=torch.int64), None, period=0)
        asked = 0
        hits = exam.hits_by(answers, names_tasks=False)
        assert asked == len(hits["one"]) == len(exam)
    assert len(exam) > 400
    assert len(sizes) <= 9
