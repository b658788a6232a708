"""Whole numbers in no more bits each than the largest of them needs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Bytes = NDArray[np.uint8]

WIDEST = 32
"""Bits of a number, at most."""
_PLANES = (16, 8, 4, 2, 1)
"""A number's bits are kept in planes of so many, the lowest first: 17 bits are 16 and 1. Of all numbers one
plane lies after the other, each in whole bytes: numpy takes them apart fast."""


def width_of(numbers: Ints) -> int:
    """The least bits in which all these fit, two's complement. Raises ValueError for more than 32."""
    largest = max(int(numbers.max(initial=0)), -int(numbers.min(initial=0)) - 1)
    if (width := largest.bit_length() + 1) > WIDEST:
        raise ValueError(f"{largest} does not fit {WIDEST} bits")
    return width


def packed_bits(count: int, width: int) -> int:
    """Bits that `pack` takes for so many numbers."""
    return 8 * sum(-(-count * plane // 8) for plane in _planes(width))


def pack(numbers: Ints, width: int) -> Bytes:
    """`numbers` [n] in `width` bits each, two's complement."""
    parts, done = [np.empty(0, np.uint8)], 0
    for plane in _planes(width):
        bits = (numbers >> done) & (2**plane - 1)
        parts.append(bits.astype(f"<u{plane // 8}").view(np.uint8) if plane >= 8 else _joined(bits, plane))
        done += plane
    return np.concatenate(parts)


def unpack(packed: Bytes, width: int, *, count: int) -> Ints:
    """The `count` numbers that were packed."""
    found, done, start = np.zeros(count, np.int64), 0, 0
    for plane in _planes(width):
        part = packed[start : start + -(-count * plane // 8)]
        bits = part.view(f"<u{plane // 8}") if plane >= 8 else _parted(part, plane)[:count]
        found |= bits.astype(np.int64) << done
        done, start = done + plane, start + len(part)
    half = 1 << (width - 1)
    return (found ^ half) - half


def _planes(width: int) -> list[int]:
    """Binary, but that 32 bits are twice 16."""
    twice = [_PLANES[0]] if width == WIDEST else []
    return twice + [plane for plane in _PLANES if (width - sum(twice)) & plane]


def _joined(bits: Ints, plane: int) -> Bytes:
    in_byte = 8 // plane
    whole = np.zeros(-(-len(bits) // in_byte) * in_byte, np.uint8)
    whole[: len(bits)] = bits
    found: Bytes = np.asarray(np.bitwise_or.reduce(whole.reshape(-1, in_byte) << _shifts(plane), axis=1))
    return found


def _parted(part: Bytes, plane: int) -> Bytes:
    found: Bytes = np.asarray((part[:, None] >> _shifts(plane)) & np.uint8(2**plane - 1)).reshape(-1)
    return found


def _shifts(plane: int) -> Bytes:
    return np.arange(0, 8, plane, dtype=np.uint8)
