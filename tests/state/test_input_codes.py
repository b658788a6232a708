from __future__ import annotations

import numpy as np
import pytest

from streamlearner.state.input_codes import decode, encode


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_exact_codes_give_back_what_was_there(dtype: str) -> None:
    data = np.arange(256).astype(dtype).tobytes()
    assert decode(encode(data, dtype, coarse=False)) == data


def test_coarse_pixels_keep_black_and_white_and_are_off_by_half_a_level() -> None:
    pixels = np.arange(256, dtype=np.uint8)
    found = np.frombuffer(decode(encode(pixels.tobytes(), "uint8", coarse=True)), np.uint8)
    assert (found[0], found[255]) == (0, 255)
    assert len(set(found.tolist())) == 16
    assert np.abs(found.astype(int) - pixels).max() <= 9


def test_coarse_numbers_are_off_by_one_in_256() -> None:
    numbers = np.random.default_rng(0).normal(0, 1e6, 1000).astype(np.float32)
    found = np.frombuffer(decode(encode(numbers.tobytes(), "float32", coarse=True)), np.float32)
    assert np.abs(found / numbers - 1).max() <= 1 / 256
    assert (found != numbers).any()


def test_the_largest_number_stays_finite_and_zero_zero() -> None:
    extreme = np.array([np.finfo(np.float32).max, 0.0, -np.finfo(np.float32).max], np.float32)
    found = np.frombuffer(decode(encode(extreme.tobytes(), "float32", coarse=True)), np.float32)
    assert np.isfinite(found).all() and found[1] == 0


def test_coarse_codes_are_shorter() -> None:
    noise = np.random.default_rng(0).integers(0, 256, 5000, dtype=np.uint8).tobytes()
    assert len(encode(noise, "uint8", coarse=True)) < 0.6 * len(encode(noise, "uint8", coarse=False))
