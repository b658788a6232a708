"""Codes become bits and come back, and cost what the arithmetic says."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamlearner.memory.packing import CodeError, Packing
from streamlearner.memory.records import BitBuffer

RADICES = st.one_of(
    st.lists(st.integers(1, 300), min_size=1, max_size=60),
    st.lists(st.sampled_from([2, 4, 16, 256, 2**31]), min_size=1, max_size=60),
    st.integers(1, 40).map(lambda count: [256] * count),
    st.tuples(st.integers(2, 9), st.integers(1, 150)).map(lambda pair: [pair[0]] * pair[1]),
)


@settings(max_examples=200, deadline=None)
@given(
    radices=RADICES,
    fields=st.lists(st.integers(0, 62), max_size=3),
    rows=st.integers(0, 5),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_symbols_and_fields_come_back_as_they_were(
    radices: list[int], fields: list[int], rows: int, seed: int
) -> None:
    chance = np.random.default_rng(seed)
    packing = Packing(radices, fields)
    symbols = chance.integers(0, radices, (rows, len(radices)))
    values = chance.integers(0, [1 << bits for bits in fields], (rows, len(fields)))
    noise = chance.integers(0, 2**63, (rows, -(-max(1, packing.record_bits) // 64))).astype(np.uint64)
    records = packing.pack(symbols, values)
    if packing.record_bits % 64:  # what lies past the record must not matter
        records[:, -1:] |= noise[:, -1:] << np.uint64(packing.record_bits % 64)
    got_symbols, got_values = packing.unpack(records)
    assert got_symbols.tolist() == symbols.tolist()
    assert got_values.tolist() == values.tolist()


@pytest.mark.parametrize("extreme", ["lowest", "highest"])
@pytest.mark.parametrize("radices", [[2] * 200, [3] * 39, [7, 256, 3, 2, 1] * 9, [256] * 784, [2**31] * 3])
def test_the_lowest_and_the_highest_symbols_survive(radices: list[int], extreme: str) -> None:
    symbols = np.asarray([[radix - 1 if extreme == "highest" else 0 for radix in radices]])
    packing = Packing(radices, (3,))
    assert packing.unpack(packing.pack(symbols, np.asarray([[7]])))[0].tolist() == symbols.tolist()


@pytest.mark.parametrize("radices", [[2] * 200, [16] * 50, [256] * 3072, [2, 4, 8, 16, 32] * 20, [256] * 13])
def test_powers_of_two_cost_exactly_their_bits(radices: list[int]) -> None:
    assert Packing(radices).code_bits == sum(int(math.log2(radix)) for radix in radices)


@pytest.mark.parametrize("radix", [3, 5, 6, 7, 10, 12, 100])
def test_other_radices_cost_within_two_percent_of_their_information(radix: int) -> None:
    count = 400
    bits = Packing([radix] * count).code_bits
    assert math.log2(radix) * count <= bits <= 1.02 * math.log2(radix) * count
    assert bits < count * math.ceil(math.log2(radix))


def test_three_values_cost_less_than_one_point_six_bits() -> None:
    assert Packing([3] * 126).code_bits / 126 < 1.6


def test_fields_add_their_bits_and_nothing_else() -> None:
    assert Packing([3] * 29, (5, 0, 2)).record_bits == Packing([3] * 29).code_bits + 7


@pytest.mark.parametrize(
    ("symbols", "message"),
    [
        ([[0, 3]], r"symbol 3 at row 0, variable 1: expected 0 to 2"),
        ([[0, 0], [-1, 0]], r"symbol -1 at row 1, variable 0: expected 0 to 4"),
        ([[0, 0, 0]], r"expected integers of shape \[n, 2\]"),
        ([0, 0], r"expected integers of shape \[n, 2\]"),
        ([[0.0, 1.0]], r"float64: expected integers"),
    ],
)
def test_symbols_that_do_not_fit_are_named(symbols: list[object], message: str) -> None:
    with pytest.raises(CodeError, match=message):
        Packing([5, 3]).pack(np.asarray(symbols))


def test_a_symbol_past_a_uniform_radix_is_named() -> None:
    with pytest.raises(CodeError, match="symbol 256 at row 0, variable 1"):
        Packing([256, 256]).pack(np.asarray([[255, 256]]))


@pytest.mark.parametrize("values", [[[8]], [[-1]], [[1, 1]]])
def test_fields_that_do_not_fit_are_refused(values: list[list[int]]) -> None:
    with pytest.raises(CodeError, match="fields do not fit"):
        Packing([2], (3,)).pack(np.asarray([[1]]), np.asarray(values))


@pytest.mark.parametrize(
    ("radices", "fields"), [([], ()), ([0], ()), ([2**31 + 1], ()), ([2], (63,)), ([2], (-1,))]
)
def test_a_layout_that_cannot_be_is_refused(radices: list[int], fields: tuple[int, ...]) -> None:
    with pytest.raises(CodeError, match="expected"):
        Packing(radices, fields)


@settings(max_examples=100, deadline=None)
@given(width=st.integers(1, 200), count=st.integers(1, 20), seed=st.integers(0, 2**32 - 1))
def test_neighbours_in_a_bit_buffer_never_touch(width: int, count: int, seed: int) -> None:
    chance = np.random.default_rng(seed)
    values = [int.from_bytes(chance.bytes(26), "little") % (1 << width) for _ in range(count)]
    buffer = BitBuffer(-(-width * count // 8))
    buffer.resize(width * count)
    for place in chance.permutation(count).tolist():
        buffer.write(place * width, width, (1 << width) - 1)
        buffer.write(place * width, width, values[place])
    gathered = buffer.gather(np.arange(count) * width, width).astype("<u8")
    for place, value in enumerate(values):
        assert buffer.read(place * width, width) == value
        assert int.from_bytes(gathered[place].tobytes(), "little") % (1 << width) == value


def test_a_bit_buffer_refuses_to_pass_its_limit_and_never_grows_more_than_asked_by_half_a_percent() -> None:
    buffer = BitBuffer(10_000)
    for size in range(1, 10_001, 7):
        buffer.resize(size * 8, spare=True)
        assert size <= buffer.content.size <= min(10_000, size + size // 200)
    with pytest.raises(CodeError, match="evict before growing"):
        buffer.resize(80_001)


def test_bytes_that_are_being_read_survive_the_growth_of_their_buffer() -> None:
    buffer = BitBuffer(100_000)
    buffer.resize(80)
    buffer.write(0, 80, 2**80 - 1)
    reader = buffer.content
    buffer.resize(800_000)
    assert reader.tolist() == [255] * 10
    assert buffer.read(0, 80) == 2**80 - 1
    assert buffer.read(80, 80) == 0
