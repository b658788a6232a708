"""The linear readout finds what is linearly there, and nothing else."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from streamlearner.evaluation.readout import readout_hits

CHANCE = 0.25
LABELS = torch.arange(200) % 4


def share(hits: Tensor) -> float:
    return float(hits.float().mean())


def drawn(rows: int, columns: int, seed: int = 0) -> Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))


def test_features_that_are_the_label_are_read_without_a_fault() -> None:
    assert readout_hits(torch.eye(4)[LABELS], LABELS).all()


def test_features_without_information_give_chance() -> None:
    assert abs(share(readout_hits(drawn(200, 10), LABELS)) - CHANCE) < 0.1


def test_constant_features_give_chance_and_no_error() -> None:
    assert share(readout_hits(torch.zeros(200, 6), LABELS)) <= CHANCE + 0.01


def test_classes_apart_along_hidden_directions_are_found() -> None:
    features = drawn(200, 30) + 3 * drawn(4, 30, seed=1)[LABELS]
    assert share(readout_hits(features, LABELS)) > 0.97


def test_what_no_line_can_part_is_not_found() -> None:
    signs = drawn(200, 2).sign()
    exclusive_or = (signs.prod(1) > 0).long()
    assert share(readout_hits(signs, exclusive_or)) < 0.65


def test_more_features_than_examples_are_no_licence_to_learn_by_heart() -> None:
    assert abs(share(readout_hits(drawn(40, 400), LABELS[:40])) - CHANCE) < 0.25


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e4])
def test_the_scale_of_features_makes_no_difference(scale: float) -> None:
    features = drawn(100, 8) + 2 * drawn(4, 8, seed=1)[LABELS[:100]]
    assert share(readout_hits(features * scale, LABELS[:100])) > 0.9


def test_equal_input_gives_equal_hits() -> None:
    features = drawn(60, 12)
    assert torch.equal(
        readout_hits(features, LABELS[:60]), readout_hits(features.clone(), LABELS[:60].clone())
    )


@pytest.mark.parametrize("count", [0, 1])
def test_nothing_can_be_tested_without_another_to_learn_from(count: int) -> None:
    hits = readout_hits(drawn(count, 3), torch.zeros(count, dtype=torch.int64))
    assert hits.tolist() == [False] * count


def test_class_indices_need_not_be_dense_and_a_class_met_once_costs_only_itself() -> None:
    labels = torch.tensor([7, 100] * 20 + [3])
    features = torch.tensor([[1.0, 0.0], [0.0, 1.0]] * 20 + [[1.0, 1.0]])
    hits = readout_hits(features, labels)
    assert hits[:40].all()
    assert not hits[40]


def test_labels_that_come_in_turns_as_many_as_folds_are_read_all_the_same() -> None:
    labels = torch.arange(100) % 5
    assert readout_hits(torch.eye(5)[labels], labels).all()
