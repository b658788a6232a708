"""The memory is a fair sample inside a hard budget, before and after everything that can happen to it."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from streamlearner.packing import Packing
from streamlearner.recollection import NO_TASK, CodeError, RecollectionMemory, Recollections
from streamlearner.records import BitBuffer

SIZE = 16
"""Symbols of the codes below: an example's number in binary, so that every record tells who it is."""

FAIR = 1e-4
"""Least p-value of a fair memory; with fixed seeds, a false alarm can only come with a change of the code."""


def chance(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def memory_for(records: int, seed: int = 0, *, label_bits: int = 1, task_bits: int = 0) -> RecollectionMemory:
    budget_bits = -(-records * (SIZE + label_bits + task_bits) // 8) * 8
    return RecollectionMemory(budget_bits=budget_bits, radices=(2,) * SIZE, generator=chance(seed))


def codes(numbers: Tensor) -> Tensor:
    return (numbers[:, None] >> torch.arange(SIZE)) & 1


def numbers_of(held: Recollections) -> list[int]:
    return (held.symbols[:, :SIZE] << torch.arange(SIZE)).sum(1).tolist()


def show(
    memory: RecollectionMemory, first: int, stop: int, *, label: Callable[[Tensor], Tensor] = torch.zeros_like
) -> None:
    """Inserts the examples `first` to `stop` - 1 in batches of 7."""
    for numbers in torch.arange(first, stop).split(7):
        memory.insert(codes(numbers), label(numbers))


def p_of_uniform(counts: np.ndarray, expected: float) -> float:
    """Chi-square test that each count has the same expectation, as p-value."""
    statistic = torch.tensor(((counts - expected) ** 2 / expected).sum())
    return float(torch.special.gammaincc(torch.tensor((len(counts) - 1) / 2), statistic.float() / 2))


def p_fair(run: Callable[[int], RecollectionMemory], population: int, runs: int = 700) -> float:
    """The p-value that all of `population` examples are equally likely to be held after `run(seed)`."""
    counts, held = np.zeros(population), 0
    for seed in range(runs):
        found = numbers_of(run(seed).contents())
        assert len(set(found)) == len(found)
        counts[found] += 1
        held += len(found)
    return p_of_uniform(counts, held / population)


def test_every_example_is_equally_likely_to_be_held() -> None:
    def run(seed: int) -> RecollectionMemory:
        memory = memory_for(8, seed)
        show(memory, 0, 48)
        assert (len(memory), memory.seen) == (8, 48)
        return memory

    assert p_fair(run, 48) > FAIR


def test_the_chi_square_test_finds_a_reservoir_that_is_off_by_one() -> None:
    class OffByOne(RecollectionMemory):
        def _place(self, label: int, draw: float, seen: int) -> int:
            return super()._place(label, draw, seen if len(self) < self.capacity else max(seen - 8, 8))

    def run(seed: int) -> RecollectionMemory:
        memory = OffByOne(budget_bits=136, radices=(2,) * SIZE, generator=chance(seed))
        show(memory, 0, 48)
        return memory

    assert p_fair(run, 48) < FAIR


def test_it_stays_fair_across_a_restart_in_mid_stream() -> None:
    def run(seed: int) -> RecollectionMemory:
        before, after = memory_for(8, seed), memory_for(8, seed + 10**6)
        show(before, 0, 20)
        after.load_state_dict(before.state_dict())
        show(after, 20, 48)
        return after

    assert p_fair(run, 48) > FAIR


def test_it_stays_fair_when_the_label_field_widens() -> None:
    def run(seed: int) -> RecollectionMemory:
        memory = memory_for(10, seed)
        show(memory, 0, 48, label=lambda numbers: numbers)  # 1 to 6 bits
        assert (len(memory), memory.capacity, memory.seen) == (8, 8, 48)  # there was room for 10
        return memory

    assert p_fair(run, 48) > FAIR


def test_it_stays_fair_when_codes_grow_and_when_they_shrink_again() -> None:
    def grown(symbols: Tensor) -> Tensor:
        return torch.cat((symbols, symbols), 1)

    def run(seed: int) -> RecollectionMemory:
        memory = memory_for(12, seed)
        show(memory, 0, 20)
        memory.recode((2,) * (2 * SIZE), grown)
        assert len(memory) == memory.capacity == 6
        memory.recode((2,) * SIZE, lambda symbols: symbols[:, :SIZE])
        assert (len(memory), memory.capacity) == (6, 12)
        show(memory, 20, 48)  # six of twenty are held: new ones come in at that rate until it is full again
        return memory

    assert p_fair(run, 48) > FAIR


@pytest.mark.parametrize(("room", "first", "second"), [(8, 30, 18), (8, 5, 43), (20, 9, 30), (8, 0, 40)])
def test_a_merged_memory_is_a_fair_sample_of_both_streams(room: int, first: int, second: int) -> None:
    def run(seed: int) -> RecollectionMemory:
        one, other = memory_for(room, seed), memory_for(8, seed + 10**6)
        show(one, 0, first)
        show(other, first, first + second)
        one.merge(other)
        assert one.seen == first + second and one.stored_bits <= one.budget_bits
        show(one, first + second, first + second + 6)
        return one

    assert p_fair(run, first + second + 6) > FAIR


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


def test_a_sample_that_fits_has_no_record_twice_and_each_is_equally_likely() -> None:
    memory = memory_for(40)
    show(memory, 0, 40)
    for size in (3, 6, 20, 40):  # by rejection below the square root, by permutation above
        counts = np.zeros((40, 2))
        for _ in range(1_500):
            found = numbers_of(memory.sample(size))
            assert len(found) == len(set(found)) == size
            counts[found, 0] += 1
            counts[found[0], 1] += 1  # a prefix of a sample is a sample, too
        assert p_of_uniform(counts[:, 0], 1_500 * size / 40) > FAIR
        assert p_of_uniform(counts[:, 1], 1_500 / 40) > FAIR


def test_a_sample_larger_than_the_memory_repeats_records() -> None:
    memory = memory_for(40)
    show(memory, 0, 5)
    counts = Counter(numbers_of(memory.sample(5_000)))
    assert sorted(counts) == [0, 1, 2, 3, 4]
    assert p_of_uniform(np.asarray(list(counts.values())), 1_000) > FAIR


def test_an_empty_memory_gives_no_rows() -> None:
    memory = memory_for(40)
    for held in (memory.sample(10), memory.sample_balanced(10), memory.contents()):
        assert held.symbols.shape == (0, SIZE)
        assert (len(held), len(held.labels), len(held.tasks)) == (0, 0, 0)
    assert memory.counts() == {}


def test_a_balanced_sample_gives_each_class_and_each_record_in_it_the_same_chance() -> None:
    memory = memory_for(60, label_bits=2)
    memory.insert(codes(torch.arange(60)), torch.tensor([0] * 40 + [1] * 15 + [3] * 5))
    assert memory.index_bytes == 0
    held = memory.sample_balanced(9_000)
    assert memory.index_bytes == 240
    assert p_of_uniform(torch.bincount(held.labels)[[0, 1, 3]].numpy(), 3_000) > FAIR
    counts = np.bincount(numbers_of(held), minlength=60)
    for group in (counts[:40], counts[40:55], counts[55:]):
        assert p_of_uniform(group, group.sum() / len(group)) > FAIR


def test_the_class_index_follows_every_insertion() -> None:
    followed, rebuilt = memory_for(50, 5, label_bits=4), memory_for(50, 5, label_bits=4)
    followed.sample_balanced(1, chance(0))
    for numbers in torch.arange(600).split(30):
        for memory in (followed, rebuilt):
            memory.insert(codes(numbers), (numbers * numbers) % 11)
        fresh = copy.deepcopy(rebuilt)  # has never had an index: builds it from what is stored
        assert followed.counts() == fresh.counts()
        assert numbers_of(followed.sample_balanced(40, chance(7))) == numbers_of(
            fresh.sample_balanced(40, chance(7))
        )


def test_sampling_with_a_generator_of_ones_own_leaves_the_memory_s_alone() -> None:
    memory = memory_for(40)
    show(memory, 0, 100)
    before = memory.state_dict()["generator"]
    memory.sample(5, chance(1))
    memory.sample(30, chance(1))
    memory.sample_balanced(5, chance(1))
    assert torch.equal(memory.state_dict()["generator"], before)
    memory.sample(5)
    assert not torch.equal(memory.state_dict()["generator"], before)


def test_nothing_is_drawn_from_the_global_generator() -> None:
    before = torch.random.get_rng_state()
    memory = memory_for(10)
    show(memory, 0, 60, label=lambda numbers: numbers)
    memory.sample(4)
    memory.sample_balanced(4)
    assert torch.equal(torch.random.get_rng_state(), before)


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


def test_a_restart_with_a_smaller_budget_evicts_and_with_a_larger_one_fills_up_fairly() -> None:
    def run(seed: int) -> RecollectionMemory:
        first, smaller, larger = memory_for(12, seed), memory_for(6), memory_for(15)
        show(first, 0, 16)
        smaller.load_state_dict(first.state_dict())
        assert len(smaller) == 6 and smaller.stored_bits <= smaller.budget_bits
        show(smaller, 16, 24)
        larger.load_state_dict(smaller.state_dict())
        show(larger, 24, 48)
        return larger

    assert p_fair(run, 48) > FAIR


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
