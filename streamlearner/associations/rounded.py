"""Float32 values rounded to 16 significant bits, in three bytes each: enough to learn from, no raw input."""

from __future__ import annotations

import torch
from torch import Tensor

BITS = 24
"""Of a value: sign, exponent and 15 bits of fraction."""
_HALF = 1 << 7
_INFINITE = 0x7F80_0000


def to_bytes(values: Tensor) -> Tensor:
    """Bytes int64 [n, 3 d] of finite `values` float32 [n, d]."""
    found = values.contiguous().view(torch.int32).to(torch.int64) & 0xFFFF_FFFF
    rounded = found + _HALF
    rounded = torch.where((rounded & _INFINITE) == _INFINITE, found, rounded) >> 8  # the largest are cut
    return torch.stack([rounded >> 16, rounded >> 8 & 0xFF, rounded & 0xFF], 2).flatten(1)


def from_bytes(found: Tensor) -> Tensor:
    """Values float32 [n, d] of bytes int64 [n, 3 d]."""
    high, middle, low = found.view(len(found), found.shape[1] // 3, 3).unbind(2)
    bits = (high << 16 | middle << 8 | low) << 8
    signed = torch.where(bits >= 1 << 31, bits - (1 << 32), bits)
    return signed.to(torch.int32).contiguous().view(torch.float32)
