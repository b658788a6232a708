"""What a sleep reads of a memory stays as it was, whatever becomes of it, and hardly anything is copied."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from streamlearner.memory.balanced import BalancedRecollectionMemory
from streamlearner.memory.lendable import whole_records
from streamlearner.memory.lent_records import SHARE
from streamlearner.memory.reservoir import RecollectionMemory
from tests.support.memories import SIZE, chance, codes, numbers_of

RECORDS = 100
KINDS = [RecollectionMemory, BalancedRecollectionMemory]
every_kind = pytest.mark.parametrize("kind", KINDS)


def filled(kind: type[RecollectionMemory], *, shown: int = 150, seed: int = 0) -> RecollectionMemory:
    budget_bits = RECORDS * (SIZE + 2)
    memory = kind(budget_bits=budget_bits, radices=(2,) * SIZE, generator=chance(seed))
    show(memory, 0, shown, label=lambda numbers: numbers % 3)
    return memory


def show(
    memory: RecollectionMemory, first: int, stop: int, *, label: Callable[[Tensor], Tensor] = torch.zeros_like
) -> None:
    """Inserts the examples `first` to `stop` - 1 in batches of 7, in codes as long as they are now."""
    for numbers in torch.arange(first, stop).split(7):
        memory.insert(codes(numbers)[:, : len(memory.radices)], label(numbers))


def inverted(memory: RecollectionMemory) -> None:
    memory.recode(memory.radices, lambda symbols: 1 - symbols)


def shortened(memory: RecollectionMemory) -> None:
    few = len(memory.radices) // 2
    memory.recode((2,) * few, lambda symbols: symbols[:, :few])


def merged(memory: RecollectionMemory) -> None:
    memory.merge(filled(type(memory), shown=400, seed=9))


CHANGES: dict[str, Callable[[RecollectionMemory], None]] = {
    "nothing": lambda memory: None,
    "one more": lambda memory: show(memory, 1_000, 1_001),
    "hundreds more": lambda memory: show(memory, 1_000, 1_400, label=lambda numbers: numbers % 3),
    "a class": lambda memory: show(memory, 1_000, 1_040, label=lambda numbers: numbers * 0 + 3),
    "wide labels": lambda memory: show(memory, 1_000, 1_002, label=lambda numbers: numbers * 0 + 2_000),
    "codes anew": inverted,
    "shorter codes": shortened,
    "forgotten classes": lambda memory: memory.discard([0, 2]),
    "less room": lambda memory: memory.resize(700),
    "more room": lambda memory: (memory.resize(9_000), show(memory, 1_000, 1_300)),  # type: ignore[dict-item, func-returns-value, return-value]
    "another memory": merged,
    "samples": lambda memory: (memory.sample(9), memory.sample_balanced(9)),  # type: ignore[dict-item, return-value]
}


def all_of(memory: RecollectionMemory) -> dict[str, object]:
    """Everything that it says and draws."""
    samples = [memory.sample(7), memory.sample_balanced(7), memory.sample_balanced(7, below=2)]
    samples += [memory.contents(), *(held for _, held in memory.by_class())]
    shown = [[held.symbols.tolist(), held.labels.tolist(), held.tasks.tolist()] for held in samples]
    state = {name: tensor.tolist() for name, tensor in memory.state_dict().items()}
    return {"shown": shown, "counts": memory.counts(), "held": len(memory), "seen": memory.seen, **state}


@every_kind
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("shown", [20, 150, 2_000])
def test_what_was_lent_reads_like_a_copy_whatever_becomes_of_the_memory(
    kind: type[RecollectionMemory], change: Callable[[RecollectionMemory], None], shown: int
) -> None:
    memory = filled(kind, shown=shown)
    copied, lent = copy.deepcopy(memory), memory.lend()
    assert lent.stored_bits == 0
    change(memory)
    show(memory, 5_000, 5_010)
    assert all_of(lent) == all_of(copied)
    change(memory)
    assert all_of(lent) == all_of(copied)


@every_kind
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_lending_changes_nothing_of_the_memory(
    kind: type[RecollectionMemory], change: Callable[[RecollectionMemory], None]
) -> None:
    memory = filled(kind)
    alone, lent = copy.deepcopy(memory), memory.lend()
    for one in (memory, alone):
        change(one)
        show(one, 5_000, 5_040)
    lent.sample_balanced(5)
    assert all_of(memory) == all_of(alone)


@every_kind
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_no_more_is_set_aside_than_its_share_and_the_reader_is_told_before(
    kind: type[RecollectionMemory], change: Callable[[RecollectionMemory], None]
) -> None:
    memory = filled(kind)
    copied, lent = copy.deepcopy(memory), memory.lend()
    told = []

    def when_full() -> None:
        told.append(all_of(lent) == all_of(copied))
        lent.release()

    lent.call_when_full(when_full)
    change(memory)
    show(memory, 5_000, 5_400, label=lambda numbers: numbers % 5)
    assert told == [True]
    assert lent.stored_bits == 0 and len(lent) == 0 and lent.counts() == {}
    assert len(lent.sample(5)) == len(lent.sample_balanced(5)) == len(lent.contents()) == 0


@every_kind
def test_what_is_set_aside_is_counted_to_the_byte_and_stays_below_its_share(
    kind: type[RecollectionMemory],
) -> None:
    memory = filled(kind)
    lent, most = memory.lend(), 0
    lent.call_when_full(lent.release)
    number = 1_000
    while lent.lent is not None and lent.lent.source is not None:
        most = max(most, lent.stored_bits)
        room, before = lent.has_room(1), len(lent)
        show(memory, number, number + 1, label=lambda numbers: numbers % 3)
        assert len(lent) == before or not room, "told that there is room, and there was none"
        number += 1
    assert 0.6 * SHARE * memory.budget_bits < most <= SHARE * memory.budget_bits


def test_only_what_takes_the_place_of_something_needs_room() -> None:
    memory = filled(RecollectionMemory, shown=40)
    lent = memory.lend()
    assert lent.has_room(RECORDS - 40) and not lent.has_room(2 * RECORDS)
    show(memory, 1_000, 1_000 + RECORDS - 40)
    assert lent.stored_bits == 0


@every_kind
@pytest.mark.parametrize("shown", [30, 150, 2_000])
@pytest.mark.parametrize("later", [0, 3, 12, 300])
def test_it_is_saved_in_two_parts_that_make_it_whole_again(
    kind: type[RecollectionMemory], shown: int, later: int
) -> None:
    memory = filled(kind, shown=shown)
    copied, lent = copy.deepcopy(memory), memory.lend()
    frame = lent.frame()
    lent.sample_balanced(3)  # the frame is that of the beginning
    show(memory, 1_000, 1_000 + later, label=lambda numbers: numbers % 4)
    aside, source = lent.set_aside(), memory.state_dict()
    assert "records" not in frame
    restored = kind(budget_bits=memory.budget_bits, radices=(2,) * SIZE, generator=chance(5))
    restored.load_state_dict(frame | {"records": whole_records(frame, aside, source)})
    assert all_of(copy.deepcopy(restored)) == all_of(copied)
    restored.borrow(memory, aside["places"])
    if later <= 3:  # more is kept in full
        again = {name: part.tolist() for name, part in restored.set_aside().items()}
        assert again == {name: part.tolist() for name, part in aside.items()}
    show(memory, 3_000, 3_002)
    assert numbers_of(restored.contents()) == numbers_of(lent.contents())


def test_a_whole_one_lets_go_of_what_another_holds_in_the_same_place() -> None:
    """As of a checkpoint that was written before anything was lent."""
    memory = filled(RecollectionMemory, shown=2_000)
    whole = copy.deepcopy(memory)
    show(memory, 2_000, 2_040)
    before = all_of(copy.deepcopy(whole))
    whole.borrow(memory, None)
    assert whole.lent is not None and 0 < whole.stored_bits <= SHARE * memory.budget_bits
    show(memory, 4_000, 4_040)
    assert all_of(whole) == before


def test_who_has_too_little_in_common_keeps_its_own() -> None:
    memory = filled(RecollectionMemory)
    whole = copy.deepcopy(memory)
    inverted(memory)
    whole.borrow(memory, None)
    assert whole.lent is None and whole.stored_bits > 0 and not whole.has_room(0)


def test_who_writes_to_what_was_lent_writes_to_a_copy() -> None:
    memory = filled(RecollectionMemory)
    before = all_of(copy.deepcopy(memory))
    for write in (lambda m: show(m, 1_000, 1_100), inverted, merged, lambda m: m.resize(900)):
        lent, alone = memory.lend(), copy.deepcopy(memory)
        for one in (lent, alone):
            write(one)  # type: ignore[no-untyped-call]
        assert all_of(lent) == all_of(alone)
    assert all_of(memory) == before


@every_kind
def test_a_reader_may_leave_out_classes_for_itself(kind: type[RecollectionMemory]) -> None:
    memory = filled(kind)
    before = all_of(copy.deepcopy(memory))
    lent, alone = memory.lend(), copy.deepcopy(memory)
    for one in (lent, alone):
        one.discard([1])
    assert lent.stored_bits == 0 and lent.counts().keys() == {0, 2}
    assert lent.contents().symbols.tolist() == alone.contents().symbols.tolist()
    assert all_of(memory) == before


def test_copies_of_lender_and_reader_share_nothing() -> None:
    memory = filled(RecollectionMemory)
    lent = memory.lend()
    twins = copy.deepcopy(memory), copy.deepcopy(lent)
    before = [all_of(copy.deepcopy(one)) for one in (memory, lent, *twins)]
    show(twins[0], 1_000, 1_300)
    assert all_of(copy.deepcopy(lent)) == before[1] and lent.stored_bits == 0
    show(memory, 1_000, 1_300)
    assert all_of(twins[1]) == before[3]


def test_a_sample_of_one_class_is_drawn_from_all_of_it() -> None:
    memory = filled(BalancedRecollectionMemory)
    drawn = memory.sample_of(1, 2_000, chance(3))
    ((_, held),) = memory.by_class(only=[1])
    assert set(drawn.labels.tolist()) == {1}
    assert set(numbers_of(drawn)) == set(numbers_of(held))
    assert torch.equal(drawn.symbols, memory.sample_of(1, 2_000, chance(3)).symbols)
