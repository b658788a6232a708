"""Mixed-radix bit packing: categorical codes and small fields as records of a fixed width.

A record is `code | field | field | ...`, least significant bit first. Neighbouring symbols are joined into
blocks, numbers below the product of their radices: a symbol of 3 values costs 46/29 = 1.586 bits (log2 3 =
1.585), not 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from streamlearner.errors import StreamlearnerError

Ints: TypeAlias = NDArray[np.int64]
Words: TypeAlias = NDArray[np.uint64]

NO_FIELDS: Ints = np.zeros((0, 0), np.int64)

BLOCK_BITS = 62
"""Widest block of joined symbols: a signed 64-bit product stays exact."""


class CodeError(StreamlearnerError, ValueError):
    """Symbols, labels or tasks that do not fit the record they are meant for."""


class Packing:
    """How one record is laid out: c symbols of `radices` [c] values, then unsigned fields of `field_bits`
    [f].

    `code_bits` is what the symbols cost, `record_bits` the whole. The layout follows from the arguments
    alone. Raises `CodeError` for an empty code, a radix below 1 or above 2**31, or a field outside 0..62
    bits.
    """

    def __init__(self, radices: Sequence[int], field_bits: Sequence[int] = ()) -> None:
        self.radices = tuple(int(radix) for radix in radices)
        self.field_bits = tuple(int(bits) for bits in field_bits)
        if not self.radices or min(self.radices) < 1 or max(self.radices) > 2**31:
            raise CodeError(f"radices {self.radices[:8]}: expected at least one, each from 1 to 2**31")
        if any(not 0 <= bits <= BLOCK_BITS for bits in self.field_bits):
            raise CodeError(f"field_bits {self.field_bits}: expected each from 0 to {BLOCK_BITS}")
        self._blocks = _blocks_for(self.radices)
        self.code_bits = sum(self._blocks.widths)
        self.record_bits = self.code_bits + sum(self.field_bits)
        self._lay_out([*self._blocks.widths, *self.field_bits])
        self._limits = np.asarray(self.radices, np.uint64)
        self._field_limits = np.asarray([1 << bits for bits in self.field_bits], np.uint64)
        self._uniform = len(set(self.radices)) == 1

    def _lay_out(self, widths: list[int]) -> None:
        """Where each block lies in 64-bit words: two shifted reads unpack it, one or two shifted parts pack
        it.
        """
        starts = np.cumsum([0, *widths])[:-1]
        self._words = max(1, -(-sum(widths) // 64))
        self._low = np.minimum(starts // 64, self._words - 1)
        self._high = np.minimum(self._low + 1, self._words - 1)
        self._shift = (starts % 64).astype(np.uint64)
        self._mask = np.asarray([(1 << width) - 1 for width in widths], np.uint64)
        parts = [(s // 64, b, s % 64, 0) for b, s in enumerate(starts.tolist()) if widths[b]]
        parts += [
            (s // 64 + 1, b, 0, 64 - s % 64) for b, s in enumerate(starts.tolist()) if s % 64 + widths[b] > 64
        ]
        parts.sort()
        word, self._part_block, left, right = np.asarray(parts or [(0, 0, 0, 0)], np.int64).T
        self._part_left, self._part_right = left.astype(np.uint64), right.astype(np.uint64)
        self._part_start = np.flatnonzero(np.diff(word, prepend=-1))

    def check(self, symbols: NDArray[Any]) -> None:
        """Raises `CodeError` unless `symbols` [n, c] are integers with 0 <= symbol < radix everywhere."""
        if symbols.ndim != 2 or symbols.shape[1] != len(self.radices) or symbols.dtype.kind not in "iu":
            raise CodeError(
                f"symbols {list(symbols.shape)} {symbols.dtype}: "
                f"expected integers of shape [n, {len(self.radices)}]"
            )
        unsigned = symbols.astype(np.int64, copy=False).view(np.uint64)  # a negative one becomes huge
        fits = unsigned.size == 0 or (
            unsigned.max() < self._limits[0] if self._uniform else (unsigned < self._limits).all()
        )
        if not fits:
            row, column = np.argwhere(unsigned >= self._limits)[0].tolist()
            raise CodeError(
                f"symbol {symbols[row, column]} at row {row}, variable {column}: "
                f"expected 0 to {self.radices[column] - 1}; was the code made by another association?"
            )

    def pack(self, symbols: NDArray[Any], fields: NDArray[Any] = NO_FIELDS) -> Words:
        """Packs symbols [n, c] and fields [n, f] into records [n, 64-bit words], spare bits 0. Raises
        `CodeError`.
        """
        self.check(symbols)
        values = self._blocks.join(symbols)
        if self.field_bits:
            unsigned = np.asarray(fields, np.int64).view(np.uint64)
            if (
                unsigned.shape != (len(symbols), len(self.field_bits))
                or (unsigned >= self._field_limits).any()
            ):
                raise CodeError(
                    f"fields do not fit: expected [{len(symbols)}, {len(self.field_bits)}] "
                    f"of {self.field_bits} bits"
                )
            values = np.concatenate((values, unsigned), axis=1)
        parts = (values.take(self._part_block, axis=1) << self._part_left) >> self._part_right
        records: Words = np.bitwise_or.reduceat(parts, self._part_start, axis=1)
        return records

    def unpack(self, records: Words) -> tuple[Ints, Ints]:
        """The symbols [n, c] and fields [n, f] of `records` [n, words]; bits past `record_bits` not read."""
        low = records.take(self._low, axis=1) >> self._shift
        high = (records.take(self._high, axis=1) << np.uint64(1)) << (np.uint64(63) - self._shift)
        values = (low | high) & self._mask
        count = len(self._blocks.widths)
        return self._blocks.split(values[:, :count]), values[:, count:].view(np.int64)


class _Blocks(Protocol):
    widths: list[int]

    def join(self, symbols: NDArray[Any]) -> Words: ...

    def split(self, values: Words) -> Ints: ...


def _blocks_for(radices: tuple[int, ...]) -> _Blocks:
    if all(radix == 256 for radix in radices):
        return _ByteBlocks(len(radices))
    if all(radix & (radix - 1) == 0 for radix in radices):
        return _ShiftBlocks(radices)
    return _RadixBlocks(radices)


def _cut(radices: tuple[int, ...]) -> list[int]:
    """Sizes of consecutive blocks: fewest bits in all, then fewest blocks (dynamic programming)."""
    best: list[tuple[int, int, int]] = [(0, 0, 0)]  # bits, blocks, size of the last block
    for end in range(1, len(radices) + 1):
        product, options = 1, []
        for start in range(end - 1, -1, -1):
            product *= radices[start]
            if product > 2**BLOCK_BITS:
                break
            bits, blocks, _ = best[start]
            options.append((bits + (product - 1).bit_length(), blocks + 1, end - start))
        best.append(min(options))
    sizes, end = [], len(radices)
    while end:
        sizes.append(best[end][2])
        end -= sizes[-1]
    return sizes[::-1]


class _RadixBlocks:
    """Blocks as mixed-radix numbers, most significant symbol first."""

    def __init__(self, radices: tuple[int, ...]) -> None:
        sizes = _cut(radices)
        self._starts = np.cumsum([0, *sizes])[:-1]
        self._block = np.repeat(np.arange(len(sizes)), sizes)
        self._radices = np.asarray(radices, np.uint64)
        self._weights = np.ones(len(radices), np.uint64)
        self.widths: list[int] = []
        for start, size in zip(self._starts.tolist(), sizes, strict=True):
            product = 1
            for place in range(start + size - 1, start - 1, -1):
                self._weights[place] = product
                product *= radices[place]
            self.widths.append((product - 1).bit_length())

    def join(self, symbols: NDArray[Any]) -> Words:
        values: Words = np.add.reduceat(symbols.astype(np.uint64) * self._weights, self._starts, axis=1)
        return values

    def split(self, values: Words) -> Ints:
        quotients = values.take(self._block, axis=1) // self._weights
        above = np.empty_like(
            quotients
        )  # the quotient one symbol up: what is left is the symbol, with one division
        above[:, 1:] = quotients[:, :-1]
        above[:, self._starts] = 0
        return (quotients - above * self._radices).view(np.int64)


class _ShiftBlocks(_RadixBlocks):
    """Blocks of powers of two: the weights are shifts."""

    def __init__(self, radices: tuple[int, ...]) -> None:
        super().__init__(radices)
        self._shifts = np.log2(self._weights.astype(np.float64)).astype(np.uint64)
        self._masks = self._radices - np.uint64(1)

    def split(self, values: Words) -> Ints:
        return ((values.take(self._block, axis=1) >> self._shifts) & self._masks).view(np.int64)


class _ByteBlocks:
    """Raw bytes, eight to a block: a view in place of arithmetic (3,072 symbols a record stay cheap)."""

    def __init__(self, count: int) -> None:
        self._count = count
        self.widths = [64] * (count // 8) + [count % 8 * 8] * (count % 8 > 0)

    def join(self, symbols: NDArray[Any]) -> Words:
        row = np.zeros((len(symbols), len(self.widths) * 8), np.uint8)
        row[:, : self._count] = symbols
        return row.view("<u8").astype(np.uint64, copy=False)

    def split(self, values: Words) -> Ints:
        row = np.ascontiguousarray(values).astype("<u8", copy=False).view(np.uint8)
        return row[:, : self._count].astype(np.int64)
