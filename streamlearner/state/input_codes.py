"""Codes of inputs that wait for a label: the input as it is, or fewer bits of each value, compressed."""

from __future__ import annotations

import zlib

import numpy as np

_COMPRESSION = 1
_KEPT_BITS = 4
"""Of the eight of a pixel. On digits and photographs a half to a quarter of the bytes are left."""


def encode(data: bytes, dtype: str, *, coarse: bool) -> bytes:
    """`data` of that dtype; `coarse`: the upper half of the bits of each pixel, the upper half of each float
    (8 bits of its mantissa), rounded."""
    return zlib.compress(_coarse(data, dtype) if coarse else data, _COMPRESSION)


def decode(code: bytes) -> bytes:
    """Bytes of the same dtype and shape."""
    return zlib.decompress(code)


def _coarse(data: bytes, dtype: str) -> bytes:
    if dtype == "uint8":
        step = 256 >> _KEPT_BITS
        pixels = np.frombuffer(data, np.uint8)
        levels = np.rint(pixels / 255 * (256 // step - 1))  # black and white stay what they are
        return np.rint(levels * 255 / (256 // step - 1)).astype(np.uint8).tobytes()
    if dtype == "float32":
        words = np.frombuffer(data, np.uint32)
        halves = (words.astype(np.uint64) + 0x8000) & 0xFFFF0000
        rounded = halves.astype(np.uint32).view(np.float32)
        return np.where(np.isfinite(rounded), rounded, np.frombuffer(data, np.float32)).tobytes()
    return data
