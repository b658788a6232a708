"""The state of the memory: it restarts where it stopped, copies live on their own, damage is refused."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from streamlearner.memory.reservoir import RecollectionMemory
from tests.support.memories import (
    chance,
    codes,
    memory_for,
    numbers_of,
    show,
)


def test_a_restart_continues_bit_for_bit() -> None:
    def live(memory: RecollectionMemory, first: int, stop: int) -> list[list[int]]:
        found = []
        for numbers in torch.arange(first, stop).split(10):
            memory.insert(codes(numbers), numbers % (2 + numbers // 100), numbers % 3)
            found += [numbers_of(memory.sample(5)), numbers_of(memory.sample_balanced(5))]
        return found

    uninterrupted = memory_for(30, 1)
    live(uninterrupted, 0, 500)
    saved = {name: tensor.clone() for name, tensor in uninterrupted.state_dict().items()}
    expected = live(uninterrupted, 500, 1_000)
    restarted = RecollectionMemory(
        budget_bits=uninterrupted.budget_bits, radices=(9, 9), generator=chance(99)
    )  # made for other codes, as after a `recode`
    restarted.load_state_dict(saved)
    assert live(restarted, 500, 1_000) == expected
    for name, tensor in uninterrupted.state_dict().items():
        assert torch.equal(restarted.state_dict()[name], tensor), name


def test_a_saved_state_does_not_change_with_the_memory() -> None:
    memory = memory_for(30)
    show(memory, 0, 30)
    state = memory.state_dict()
    kept = {name: tensor.clone() for name, tensor in state.items()}
    show(memory, 30, 400, label=lambda numbers: numbers)
    assert all(torch.equal(state[name], kept[name]) for name in kept)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("generator"), r"Missing key.*generator"),
        (lambda state: state.update(extra=torch.zeros(1)), r"Unexpected key.*extra"),
        (
            lambda state: state.update(records=state["records"][:-1]),
            r"records \[\d+\].*expected \[\d+\] bytes",
        ),
        (lambda state: state.update(records=state["records"].float()), r"torch.float32: expected"),
        (lambda state: state.update(counters=state["counters"][:2]), r"counters \[2\].*shape \[4\]"),
        (lambda state: state.update(counters=torch.tensor([3, 9, 1, 0])), r"9 records are held of 3 seen"),
        (lambda state: state.update(generator=state["generator"][:7]), r"generator: not the state"),
        (lambda state: state.update(radices=torch.tensor([0])), r"radices \(0,\)"),
    ],
)
def test_a_damaged_state_is_refused_and_changes_nothing(
    change: Callable[[dict[str, Tensor]], object], message: str
) -> None:
    source, target = memory_for(9, 1), memory_for(9, 2)
    show(source, 0, 40)
    show(target, 0, 5)
    state, before = dict(source.state_dict()), target.state_dict()
    change(state)
    with pytest.raises(RuntimeError, match=message):
        target.load_state_dict(state)
    if "extra" not in state:  # torch loads what it knows and then complains about the rest
        assert all(torch.equal(target.state_dict()[name], before[name]) for name in before)


def test_a_memory_inside_a_module_saves_and_loads_under_its_name() -> None:
    method, other = torch.nn.Module(), torch.nn.Module()
    method.memory, other.memory = memory_for(9, 1), memory_for(9, 2)
    show(method.memory, 0, 40)
    state = method.state_dict()
    assert set(state) == {f"memory.{name}" for name in RecollectionMemory.STATE}
    other.load_state_dict(state)
    assert numbers_of(other.memory.contents()) == numbers_of(method.memory.contents())


def test_a_deep_copy_lives_its_own_life_and_the_same_one() -> None:
    original = torch.nn.Module()
    original.memory = memory_for(20, 4)
    show(original.memory, 0, 60)
    twin, idle = copy.deepcopy(original), copy.deepcopy(original)
    before = numbers_of(original.memory.contents())
    show(twin.memory, 60, 400, label=lambda numbers: numbers % 5)
    assert numbers_of(original.memory.contents()) == before and original.memory.seen == 60
    show(original.memory, 60, 400, label=lambda numbers: numbers % 5)
    assert numbers_of(original.memory.contents()) == numbers_of(twin.memory.contents())
    assert numbers_of(idle.memory.contents()) == before
