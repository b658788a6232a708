"""Rehearsal of codes of features: what is kept fits the budget, is balanced, and decodes to what was seen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from streamlearner.bench.kit.fixture import Dataset
from streamlearner.bench.material.class_incremental import ClassIncremental
from streamlearner.bench.material.feature_codes import Exact, ProductQuantiser
from streamlearner.bench.peers.feature_arms import BOUNDED, Given
from streamlearner.bench.peers.latent_replay import LatentReplay, Remind, Siesta

CLASSES, VALUES = 6, 24


def examples(count: int, *, seed: int = 0, classes: int = CLASSES) -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(seed)
    means = 2 * torch.randn(CLASSES, VALUES, generator=torch.Generator().manual_seed(99))
    labels = torch.randint(classes, (count,), generator=draw)
    return means[labels] + 0.3 * torch.randn(count, VALUES, generator=draw), labels


def made(kind: type[LatentReplay], *, places: int) -> LatentReplay:
    bits = Exact(bits=64).bits + 3
    return kind(
        codes=Exact(bits=64), budget_bits=places * bits, seed=0, base=100, rate=0.02, most_classes=CLASSES
    )


def test_a_code_is_a_byte_for_each_part_and_decodes_near_to_what_it_was() -> None:
    features, _ = examples(1_000)
    few, many = (ProductQuantiser(parts=parts, seed=0) for parts in (2, 12))
    errors = []
    for codes in (few, many):
        codes.fit(features)
        coded = codes.encode(features)
        assert coded.dtype == torch.uint8 and 8 * coded[0].numel() == codes.bits
        errors.append(float((codes.decode(coded) - features).square().mean() / features.var()))
    assert errors[1] < errors[0] < 0.1


@pytest.fixture(autouse=True)
def short_sleeps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Siesta, "steps", 40)


@pytest.mark.parametrize("kind", [Remind, Siesta])
def test_a_full_memory_is_balanced_however_rare_a_class_is(kind: type[LatentReplay]) -> None:
    learner = made(kind, places=60)
    learner.learn(*examples(100, classes=2))
    for seed in range(1, 9):
        inputs, labels = examples(50, seed=seed)
        learner.learn(inputs, labels.where(torch.arange(50) < 40, torch.zeros_like(labels)))
        assert learner.stored_bits == 60 * 67
    held = Counter(learner.labels.tolist())
    assert sum(held.values()) == 60
    assert all(9 <= held[number] <= 11 for number in range(CLASSES))
    assert all(
        learner.labels[place] == number for number, places in learner.places.items() for place in places
    )


@pytest.mark.parametrize("kind", [Remind, Siesta])
def test_classes_that_come_later_are_learned_and_those_before_are_kept(kind: type[LatentReplay]) -> None:
    learner = made(kind, places=300)
    learner.learn(*examples(100, classes=3))
    for seed in range(1, 7):
        learner.learn(*examples(100, seed=seed))
    learner.finish()
    inputs, labels = examples(300, seed=77)
    assert float((learner.answer(inputs) == labels).float().mean()) > 0.9


def test_an_arm_takes_as_many_columns_as_its_budget_holds_and_no_more() -> None:
    inputs, labels = examples(200)
    for arm in ("slda_float32", "ncm_float32"):
        few, all_of_them = (
            BOUNDED[arm](Given(budget, 0, inputs, CLASSES, 100, 24_576)) for budget in (4_000, 1_000_000)
        )
        assert 0.9 * 4_000 < few.parameter_bits <= 4_000 < all_of_them.parameter_bits
        for learner in (few, all_of_them):
            learner.learn(inputs, labels)
            assert float((learner.answer(inputs) == labels).float().mean()) > 0.9


def test_what_is_forgotten_of_the_first_classes_is_told_from_what_is_mistaken_for_new_ones() -> None:
    """A learner that knows the first two classes apart, and later takes all for the newest of all."""
    stream = Dataset(torch.zeros(8, 1).numpy(), [0, 1, 0, 1, 2, 3, 2, 3])
    test = Dataset(torch.tensor([[0.0], [1.0], [2.0], [3.0]]).numpy(), [0, 1, 2, 3])
    tests = ClassIncremental(stream, test, at_once=2)

    def scores(inputs: Tensor) -> Tensor:
        own = -(inputs - torch.arange(4.0)).abs()
        own[:, 3] = 10.0
        return own

    tests.along(2, lambda: scores)
    assert not tests.named.rows
    tests.along(4, lambda: scores)
    found = tests.measured(scores)
    assert found["accuracy"] == 0.25 and found["task_incremental_accuracy"] == 0.75
    assert found["first_task_after"] == 1.0 and found["first_task_forgotten"] == 0.0


def test_forgetting_is_the_best_accuracy_before_the_end_less_that_at_the_end_over_earlier_periods() -> None:
    """Three periods of two classes: after each, which of their six test examples are told right among all
    classes so far; who is wrong takes the example for the other class of its period, or for class 5."""
    stream = Dataset(torch.zeros(6, 1).numpy(), [0, 1, 2, 3, 4, 5])
    test = Dataset(torch.arange(6.0)[:, None].numpy(), [0, 1, 2, 3, 4, 5])
    tests = ClassIncremental(stream, test, at_once=2)

    def answering(*answers: int) -> Callable[[Tensor], Tensor]:
        return lambda inputs: torch.eye(6)[torch.tensor(answers)[inputs[:, 0].long()]]

    for learned, answers in ((1, (1, 0)), (2, (0, 0)), (3, (1, 0)), (4, (0, 1, 2, 2)), (5, (1, 0, 3, 2))):
        tests.along(learned, lambda answers=answers: answering(*answers, *[0] * (6 - len(answers))))
    found = tests.measured(answering(1, 5, 2, 3, 4, 5))
    assert found["class_incremental_forgetting"] == found["task_incremental_forgetting"] == (1.0 - 0.5) / 2
    assert found["first_task_forgetting"] == 1.0, "at best all of it, at the end nothing"
    assert (found["first_task_after"], found["first_task_forgotten"]) == (0.5, 0.5)
