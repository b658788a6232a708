"""What the mean of each class is worth: an example never counts towards its own mean."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from streamlearner.evaluation.class_means import code_error, hits_of_class_means

LABELS = torch.arange(40) % 4
NO_TASKS = torch.full((40,), -1)


def clouds(*, apart: float) -> Tensor:
    """Four classes, in four columns that tell them and one that is only large."""
    noise = torch.randn(40, 5, generator=torch.Generator().manual_seed(0))
    middles = torch.nn.functional.one_hot(LABELS, 5) * apart
    return (middles + noise) * torch.tensor([1.0, 1.0, 1.0, 1.0, 1e6])


def test_classes_that_lie_apart_are_answered_by_their_means_whatever_the_scales() -> None:
    assert hits_of_class_means(clouds(apart=20.0), LABELS, NO_TASKS).float().mean() > 0.9


def test_of_noise_they_know_no_more_than_chance() -> None:
    """Where an example counted towards its own mean they would know more."""
    noise = torch.randn(400, 300, generator=torch.Generator().manual_seed(1))
    labels = torch.arange(400) % 40
    hits = hits_of_class_means(noise, labels, torch.full((400,), -1))
    assert hits.float().mean() < 0.1


def test_a_class_of_one_example_is_not_known() -> None:
    inputs, labels = torch.tensor([[0.0], [0.1], [9.0]]), torch.tensor([0, 0, 1])
    assert hits_of_class_means(inputs, labels, torch.full((3,), -1)).tolist() == [True, True, False]


def test_only_classes_of_its_task_compete() -> None:
    inputs = torch.tensor([[0.0], [1.0], [0.4], [0.5], [8.0], [8.1]])
    labels, tasks = torch.tensor([0, 0, 1, 1, 2, 2]), torch.tensor([0, 0, 1, 1, 0, 0])
    assert not hits_of_class_means(inputs, labels, torch.full((6,), -1))[:2].all()
    assert hits_of_class_means(inputs, labels, tasks).all()


def test_the_error_of_codes_is_in_units_of_that_of_class_means() -> None:
    inputs = clouds(apart=5.0)
    means = torch.stack(
        [inputs[(one == LABELS) & (torch.arange(40) != i)].mean(0) for i, one in enumerate(LABELS)]
    )
    assert code_error(inputs, inputs, LABELS) == 0.0
    assert code_error(inputs, means, LABELS) == pytest.approx(1.0, rel=1e-4)
    assert (code_error(inputs, torch.zeros_like(inputs), LABELS) or 0) > 1.0


@pytest.mark.parametrize("labels", [torch.arange(40), torch.zeros(40, dtype=torch.int64)])
def test_it_is_unknown_without_two_examples_that_differ(labels: Tensor) -> None:
    same = torch.ones(40, 3, 8, 8, dtype=torch.uint8)
    assert code_error(same, same, labels) is None


def test_values_of_any_size_are_compared() -> None:
    inputs = clouds(apart=5.0)
    inputs[3, 4] = 3.4e38
    assert hits_of_class_means(inputs, LABELS, NO_TASKS).any()
    assert code_error(inputs, inputs, LABELS) == 0.0
