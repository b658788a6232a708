"""Records side by side are written at once, and nothing else changes."""

from __future__ import annotations

import numpy as np
import pytest

from streamlearner.memory.bit_buffer import BitBuffer


@pytest.mark.parametrize("width", [1, 7, 8, 63, 64, 65, 193])
@pytest.mark.parametrize("start", [0, 3, 8, 61])
def test_a_run_is_what_its_records_are_one_by_one(start: int, width: int) -> None:
    rng = np.random.default_rng(start * 1000 + width)
    for count in (1, 2, 9, 40):
        words = rng.integers(2**64, size=(count, -(-width // 64)), dtype=np.uint64)
        content = rng.integers(256, size=(start + count * width) // 8 + 3).astype(np.uint8)
        at_once, one_by_one = BitBuffer(10**6), BitBuffer(10**6)
        at_once.content, one_by_one.content = content.copy(), content.copy()
        at_once.write_run(start, width, words)
        for row, record in enumerate(words):
            value = int.from_bytes(record.astype("<u8").tobytes(), "little") & ((1 << width) - 1)
            one_by_one.write(start + row * width, width, value)
        assert np.array_equal(at_once.content, one_by_one.content)
