"""A run of bytes that is read and written bit by bit, inside a limit."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streamlearner.memory.packing import CodeError, Ints, Words


class BitBuffer:
    """One contiguous run of bytes, addressed in bits, least significant first; never above `limit_bytes`.

    It grows in place, by at most 0.5 % more than asked: filling it copies each byte a bounded number of
    times.
    """

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self.content: NDArray[np.uint8] = np.zeros(0, np.uint8)

    def resize(self, bits: int, *, spare: bool = False) -> None:
        """Holds `bits`, in whole bytes; with `spare`, keeps or adds a little room for what comes next."""
        size = -(-bits // 8)
        if size > self.limit_bytes:
            raise CodeError(
                f"{size} bytes asked of a buffer limited to {self.limit_bytes}: evict before growing"
            )
        if spare and size <= self.content.size:
            return
        size = min(self.limit_bytes, size + size // 200) if spare else size
        try:
            self.content.resize(size)
        except ValueError:  # someone still reads these bytes: leave them theirs
            grown = np.zeros(size, np.uint8)
            grown[: self.content.size] = self.content[:size]
            self.content = grown

    def read(self, start: int, width: int) -> int:
        """The `width` bits from bit `start` on, as an unsigned number."""
        window = self.content[start >> 3 : (start + width + 7) >> 3].tobytes()
        return (int.from_bytes(window, "little") >> (start & 7)) & ((1 << width) - 1)

    def write(self, start: int, width: int, value: int) -> None:
        """Puts `value` (below 2**width) into the `width` bits from bit `start` on; no other bit changes."""
        first, last, shift = start >> 3, (start + width + 7) >> 3, start & 7
        window = int.from_bytes(self.content[first:last].tobytes(), "little")
        window ^= (((window >> shift) & ((1 << width) - 1)) ^ value) << shift
        self.content[first:last] = np.frombuffer(window.to_bytes(last - first, "little"), np.uint8)

    def write_run(self, start: int, width: int, values: Words) -> None:
        """Puts the `width` lowest bits of each of `values` [n, 64-bit words], n > 0, side by side from bit
        `start` on; no other bit changes."""
        rows = values.astype("<u8", copy=False).view(np.uint8)
        run = np.unpackbits(rows, axis=1, count=width, bitorder="little").reshape(-1)
        end = start + run.size
        first, last = start >> 3, (end + 7) >> 3
        edges = np.unpackbits(self.content[[first, last - 1]], bitorder="little")
        before, after = edges[: start & 7], edges[16 - (-end & 7) :]
        self.content[first:last] = np.packbits(np.concatenate([before, run, after]), bitorder="little")

    def gather(self, starts: Ints, width: int) -> Words:
        """The `width` bits from each of `starts` [n] on, as [n, 64-bit words]; bits past `width` are
        undefined.
        """
        count = max(1, -(-width // 64))
        window = np.zeros((len(starts), 8 * (count + 1)), np.uint8)
        length = min((width + 14) // 8, self.content.size)
        if len(starts) and length:
            first = np.minimum(starts >> 3, self.content.size - length)
            shape = (self.content.size - length + 1, length)
            every: NDArray[np.uint8] = np.ndarray(shape, np.uint8, buffer=self.content, strides=(1, 1))
            window[:, :length] = every[first]
            starts = starts - (first << 3)
        words = window.view("<u8").astype(np.uint64, copy=False)
        shift = starts.astype(np.uint64)[:, None]
        gathered: Words = (words[:, :-1] >> shift) | (
            (words[:, 1:] << np.uint64(1)) << (np.uint64(63) - shift)
        )
        return gathered
