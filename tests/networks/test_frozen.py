"""Copies for predictions share nothing that could change, and cost a part of a deep copy."""

from __future__ import annotations

import copy
import enum
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from streamlearner.networks.frozen import frozen_copy


class Colour(enum.Enum):
    RED = 1


@dataclass(frozen=True)
class Setting:
    size: int
    sides: tuple[int, ...] = (1, 2)


@dataclass(frozen=True)
class Holder:
    held: list[int] = field(default_factory=list)


class Part(nn.Module):
    count: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 2)
        self.register_buffer("count", torch.zeros(4))
        self.loose = torch.ones(2)
        self.numbers = [1, [2, 3]]
        self.by_name: dict[str, Any] = {"a": {4}, "weights": self.linear.weight}
        self.setting, self.holder, self.colour = Setting(3), Holder([1]), Colour.RED
        self.generator = torch.Generator().manual_seed(1)
        self.nothing: list[int] = []

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.linear(x) + self.loose
        return out


class Whole(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one = Part()
        self.same = self.one
        self.training_only = nn.Sequential(nn.Linear(3, 3))
        self.hook = self.answers

    def answers(self, x: Tensor) -> Tensor:
        out: Tensor = self.one(x)
        return out


class OwnWay(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.copies = 0

    def __deepcopy__(self, memo: dict[int, Any]) -> OwnWay:
        made = OwnWay()
        made.copies = self.copies + 1
        return made


def test_a_copy_answers_the_same_and_its_state_is_the_same() -> None:
    whole = Whole()
    made = frozen_copy(whole)
    x = torch.randn(5, 3)
    assert torch.equal(made.hook(x), whole.hook(x))
    assert made.state_dict().keys() == whole.state_dict().keys()
    assert all(torch.equal(made.state_dict()[name], part) for name, part in whole.state_dict().items())


def test_nothing_that_happens_to_the_original_reaches_the_copy() -> None:
    whole = Whole()
    made = frozen_copy(whole)
    before = copy.deepcopy(made.state_dict())
    x = torch.randn(5, 3)
    answers = made.hook(x)
    with torch.no_grad():
        for tensor in (*whole.parameters(), *whole.buffers(), whole.one.loose):
            tensor.add_(1.0)
        whole.one.linear.weight.data[0] = 7.0
    whole.one.numbers[1].append(9)
    whole.one.by_name["a"].add(9)
    whole.one.holder.held.append(9)
    whole.one.nothing.append(9)
    whole.register_forward_hook(lambda *_: None)
    torch.rand(3, generator=whole.one.generator)
    assert all(torch.equal(made.state_dict()[name], part) for name, part in before.items())
    assert torch.equal(made.hook(x), answers)
    part = made.one
    assert (part.numbers, part.by_name["a"], part.holder.held, part.nothing) == ([1, [2, 3]], {4}, [1], [])
    assert not made._forward_hooks
    assert torch.equal(part.generator.get_state(), torch.Generator().manual_seed(1).get_state())


def test_what_is_one_thing_stays_one_thing() -> None:
    made = frozen_copy(Whole())
    assert made.same is made.one
    assert made.one.by_name["weights"] is made.one.linear.weight
    assert made.hook.__self__ is made


def test_what_cannot_change_is_shared() -> None:
    whole = Whole()
    made = frozen_copy(whole)
    assert made.one.setting is whole.one.setting and made.one.colour is Colour.RED
    assert made.one.holder is not whole.one.holder


def test_what_no_prediction_needs_is_left_out() -> None:
    made = frozen_copy(Whole(), without=("training_only", "one.linear", "there.is.none"))
    assert isinstance(made.training_only, nn.Identity)
    assert isinstance(made.one.linear, nn.Identity)


def test_a_convolutional_network_is_copied_without_a_deep_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    network = nn.Sequential(
        nn.Conv2d(1, 2, 3, padding=1), nn.BatchNorm2d(2), nn.ReLU(), nn.Upsample(4), nn.Softmax(dim=1)
    ).eval()
    network.kept = [network[0].weight, torch.ones(2)]

    def refuse(value: object, memo: object = None) -> None:
        raise AssertionError(f"a deep copy of {type(value).__name__}")

    with monkeypatch.context() as patched:
        patched.setattr(copy, "deepcopy", refuse)
        made = frozen_copy(network)
    x = torch.randn(2, 1, 8, 8)
    assert torch.equal(made(x), network(x))
    assert made.kept[0] is made[0].weight and made.kept[1] is not network.kept[1]


def test_a_list_with_two_names_stays_one_and_may_hold_itself() -> None:
    part = Part()
    part.again = part.numbers
    part.numbers.append(part.numbers)  # type: ignore[arg-type]
    made = frozen_copy(part)
    assert made.again is made.numbers is made.numbers[2] and made.numbers is not part.numbers


def test_a_recurrent_network_is_copied_its_own_way() -> None:
    network = nn.GRU(3, 2)
    made = frozen_copy(network)
    x = torch.randn(4, 1, 3)
    assert torch.equal(made(x)[0], network(x)[0])
    before = made(x)[0].clone()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(1.0)
    assert torch.equal(made(x)[0], before)


def test_a_module_with_a_way_of_its_own_is_copied_that_way() -> None:
    made = frozen_copy(nn.Sequential(OwnWay()))
    assert made[0].copies == 1


def test_parameters_of_a_copy_need_no_gradient() -> None:
    made = frozen_copy(Whole())
    assert isinstance(made.one.linear.weight, nn.Parameter)
    assert not any(parameter.requires_grad for parameter in made.parameters())
