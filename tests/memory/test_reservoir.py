"""The memory keeps codes, labels and tasks together inside a hard budget, through merging and recoding."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from streamlearner.memory.balanced import BalancedRecollectionMemory
from streamlearner.memory.fields import NO_TASK
from streamlearner.memory.packing import CodeError, Packing
from streamlearner.memory.records import BitBuffer, Recollections
from streamlearner.memory.reservoir import RecollectionMemory
from tests.support.memories import (
    SIZE,
    chance,
    codes,
    memory_for,
    numbers_of,
    show,
)


def test_merging_two_that_fit_keeps_everything_with_labels_and_tasks() -> None:
    one, other = memory_for(40, 0, label_bits=4, task_bits=3), memory_for(20, 1, label_bits=4, task_bits=3)
    one.insert(codes(torch.arange(9)), torch.arange(9))
    other.insert(codes(torch.arange(9, 16)), torch.full((7,), 12), torch.arange(7) - 1)
    one.merge(other)
    held = one.contents()
    order = torch.tensor(numbers_of(held)).argsort()
    assert sorted(numbers_of(held)) == list(range(16))
    assert held.labels[order].tolist() == [*range(9), *[12] * 7]
    assert held.tasks[order].tolist() == [*[NO_TASK] * 9, *range(-1, 6)]
    assert sorted(numbers_of(other.contents())) == list(range(9, 16))


def test_memories_of_different_codes_do_not_merge() -> None:
    other = RecollectionMemory(budget_bits=1_000, radices=(3,) * SIZE, generator=chance(0))
    with pytest.raises(CodeError, match="expected the same kind and radices"):
        memory_for(9).merge(other)


def test_how_the_stream_is_cut_into_batches_does_not_change_what_is_held() -> None:
    numbers = torch.arange(500)
    contents = []
    for size in (1, 10, 64, 500):
        memory = memory_for(20, 3)
        for batch in numbers.split(size):
            memory.insert(codes(batch), batch % 2)
        contents.append(numbers_of(memory.contents()))
    assert contents[0] == contents[1] == contents[2] == contents[3]


def test_labels_tasks_and_codes_stay_together() -> None:
    memory = memory_for(300, label_bits=4, task_bits=3)
    for step, numbers in enumerate(torch.arange(3_000).split(10)):
        memory.insert(codes(numbers), numbers % min(16, 1 + step // 9), numbers % 8 - 1 if step % 3 else None)
    held = memory.contents()
    numbers = torch.tensor(numbers_of(held))
    steps = numbers // 10
    assert len(memory) == memory.capacity == 300
    assert held.labels.tolist() == (numbers % (1 + steps // 9).clamp(max=16)).tolist()
    assert held.tasks.tolist() == torch.where(steps % 3 > 0, numbers % 8 - 1, NO_TASK).tolist()


@pytest.mark.parametrize("kind", [RecollectionMemory, BalancedRecollectionMemory])
def test_what_is_held_of_each_class_is_read_without_the_rest(kind: type[RecollectionMemory]) -> None:
    memory = kind(budget_bits=300 * 24, radices=(2,) * SIZE, generator=chance(0))
    for numbers in torch.arange(2_000).split(10):
        memory.insert(codes(numbers), numbers % 7 * 3, numbers % 4 - 1)
    held, before = memory.contents(), memory.state_dict()
    for most in (1, 5, None):
        given = list(memory.by_class(most))
        assert [label for label, _ in given] == sorted(set(held.labels.tolist()))
        for label, one in given:
            places = (held.labels == label).nonzero().flatten()[:most]
            assert numbers_of(one) == torch.tensor(numbers_of(held))[places].tolist()
            assert torch.equal(one.labels, held.labels[places])
            assert torch.equal(one.tasks, held.tasks[places])
    assert [label for label, _ in memory.by_class(only=[9, 3, 1_000])] == [3, 9]
    after = memory.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())


def test_an_empty_memory_has_no_classes_to_show() -> None:
    assert list(memory_for(9).by_class(4)) == []


def test_the_budget_is_never_exceeded_not_even_while_records_are_re_packed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sizes: list[int] = []
    resize, write = BitBuffer.resize, BitBuffer.write

    def watched_resize(buffer: BitBuffer, bits: int, *, spare: bool = False) -> None:
        resize(buffer, bits, spare=spare)
        sizes.append(buffer.content.nbytes * 8)

    def watched_write(buffer: BitBuffer, start: int, width: int, value: int) -> None:
        write(buffer, start, width, value)
        sizes.append(max(start + width, buffer.content.nbytes * 8))

    monkeypatch.setattr(BitBuffer, "resize", watched_resize)
    monkeypatch.setattr(BitBuffer, "write", watched_write)
    memory, draws = memory_for(700, 1), chance(2)
    for step, numbers in enumerate(torch.arange(100_000).split(50)):
        labels = torch.randint(step // 300 * 40, step // 300 * 40 + 40, (50,), generator=draws)
        tasks = torch.full((50,), step // 100) if step % 2 and step > 700 else None
        memory.insert(codes(numbers % 2**SIZE), labels, tasks)
        assert memory.stored_bits <= memory.budget_bits
        used = len(memory) * memory.record_bits
        assert used <= memory.stored_bits <= used * 1.01 + 8
    assert memory.record_bits == SIZE + 9 + 5
    assert len(memory) == memory.capacity == memory.budget_bits // memory.record_bits
    assert max(sizes) <= memory.budget_bits
    assert len({*sizes}) > 15  # it grew step by step and was re-packed: the watch saw something


def test_the_bits_reported_are_the_bytes_held() -> None:
    memory = memory_for(5_000, label_bits=4)
    assert memory.stored_bits == 0
    for numbers in torch.arange(8_000).split(100):
        memory.insert(codes(numbers), numbers % 10)
        saved = memory.state_dict()["records"].nbytes * 8
        assert saved <= memory.stored_bits <= max(saved * 1.01, saved + 8)
        assert saved == -(-len(memory) * memory.record_bits // 8) * 8
    assert len(memory) == 5_000


def test_ten_raw_images_are_what_the_budget_of_ten_raw_images_holds() -> None:
    bits = Packing((256,) * 3072, (7, 0)).record_bits
    memory = RecollectionMemory(budget_bits=10 * bits + 2, radices=(256,) * 3072, generator=chance(0))
    images = torch.randint(256, (40, 3072), generator=chance(1))
    memory.insert(images, torch.full((40,), 99))
    held = memory.contents()
    assert len(held) == 10
    assert {image.numpy().tobytes() for image in held.symbols} < {image.numpy().tobytes() for image in images}


def test_a_budget_below_one_record_is_refused() -> None:
    with pytest.raises(CodeError, match="budget_bits is 16, but one record takes 17 bits"):
        RecollectionMemory(budget_bits=16, radices=(2,) * SIZE, generator=chance(0))


@pytest.mark.parametrize("radices", [(2,) * SIZE, (3,) * SIZE, (2,) * (SIZE + 3), (256,) * SIZE])
def test_recoding_translates_every_code_and_keeps_its_label_and_task(radices: tuple[int, ...]) -> None:
    memory = memory_for(900, label_bits=4, task_bits=3)
    numbers = torch.arange(900)
    memory.insert(codes(numbers), numbers % 13, numbers % 7)
    largest: list[int] = []

    def translate(symbols: Tensor) -> Tensor:
        largest.append(len(symbols))
        padded = torch.nn.functional.pad(1 - symbols, (0, len(radices) - SIZE), value=1)
        return padded * (max(radices) - 1)

    memory.recode(radices, translate)
    held = memory.contents()
    assert memory.radices == radices
    assert len(memory) == min(900, memory.capacity) and max(largest) <= 256
    assert set(held.symbols.unique().tolist()) == {0, max(radices) - 1}
    plain = Recollections(symbols=(held.symbols == 0).long(), labels=held.labels, tasks=held.tasks)
    numbers = torch.tensor(numbers_of(plain))
    assert len(set(numbers.tolist())) == len(memory)
    assert held.labels.tolist() == (numbers % 13).tolist()
    assert held.tasks.tolist() == (numbers % 7).tolist()
    assert len(memory) * memory.record_bits <= memory.stored_bits <= memory.budget_bits


def test_a_translation_that_fails_leaves_no_half_translated_memory() -> None:
    memory = memory_for(900)
    show(memory, 0, 900)
    memory.sample_balanced(1)
    with pytest.raises(CodeError, match="symbol 5"):
        memory.recode((3,) * SIZE, lambda symbols: symbols + 5)
    assert (len(memory), memory.seen, memory.stored_bits, memory.counts()) == (0, 900, 0, {})


@pytest.mark.parametrize(
    ("symbols", "labels", "tasks", "message"),
    [
        (torch.zeros(2, SIZE + 1).long(), torch.zeros(2).long(), None, r"symbols \[2, 17\].*shape \[n, 16\]"),
        (torch.zeros(2, SIZE), torch.zeros(2).long(), None, r"float32: expected integers"),
        (
            torch.full((2, SIZE), 2),
            torch.zeros(2).long(),
            None,
            r"symbol 2 at row 0, variable 0: expected 0 to 1",
        ),
        (torch.full((2, SIZE), -1), torch.zeros(2).long(), None, r"symbol -1"),
        (torch.zeros(2, SIZE).long(), torch.zeros(3).long(), None, r"labels \[3\].*shape \[2\]"),
        (torch.zeros(2, SIZE).long(), torch.zeros(2), None, r"labels \[2\] torch.float32"),
        (torch.zeros(2, SIZE).long(), torch.tensor([0, -1]), None, r"labels from -1 to 0: expected 0"),
        (torch.zeros(2, SIZE).long(), torch.zeros(2).long(), torch.tensor([0, -2]), r"tasks from -2 to 0"),
        (torch.zeros(2, SIZE).long(), torch.zeros(2).long(), torch.zeros(1).long(), r"tasks \[1\]"),
    ],
)
def test_what_does_not_fit_is_refused_and_changes_nothing(
    symbols: Tensor, labels: Tensor, tasks: Tensor | None, message: str
) -> None:
    memory = memory_for(9)
    show(memory, 0, 20)
    before = memory.state_dict()
    with pytest.raises(CodeError, match=message):
        memory.insert(symbols, labels, tasks)
    after = memory.state_dict()
    assert all(torch.equal(after[name], before[name]) for name in before)


def test_an_empty_batch_changes_nothing() -> None:
    memory = memory_for(9)
    before = memory.state_dict()
    memory.insert(torch.zeros(0, SIZE).long(), torch.zeros(0).long(), torch.zeros(0).long())
    assert all(torch.equal(tensor, before[name]) for name, tensor in memory.state_dict().items())


@pytest.mark.parametrize("kind", [RecollectionMemory, BalancedRecollectionMemory])
def test_classes_that_are_discarded_leave_their_room_to_others(kind: type[RecollectionMemory]) -> None:
    memory = kind(budget_bits=1_000, radices=(3,) * SIZE, generator=chance(0))
    for label in (0, 1):
        memory.insert(codes(torch.arange(80)), torch.full((80,), label))
    memory.discard([1])
    assert set(memory.counts()) == {0}
    kept = len(memory)
    memory.insert(codes(torch.arange(200)), torch.full((200,), 2))
    assert memory.counts()[2] > 0
    assert len(memory) > kept
    twin = kind(budget_bits=1_000, radices=(3,) * SIZE, generator=chance(0))
    twin.load_state_dict(memory.state_dict())
    assert twin.counts() == memory.counts()
    memory.discard([0, 2])
    assert (len(memory), memory.stored_bits) == (0, 0)
    memory.insert(codes(torch.arange(5)), torch.zeros(5, dtype=torch.int64))
    assert len(memory) == 5
