"""Values rounded to 16 significant bits, in three bytes each."""

from __future__ import annotations

import torch

from streamlearner.associations.rounded import from_bytes, to_bytes


def test_values_of_any_size_come_back_to_16_bits() -> None:
    rng = torch.Generator().manual_seed(0)
    values = torch.randn(500, 6, generator=rng) * 10.0 ** torch.arange(-30, 30, 10)
    found = to_bytes(values)
    assert found.shape == (500, 18)
    assert found.min() >= 0 and found.max() <= 255
    torch.testing.assert_close(from_bytes(found), values, rtol=2.0**-16, atol=0.0)


def test_what_came_back_comes_back_the_same_again() -> None:
    values = torch.randn(50, 3, generator=torch.Generator().manual_seed(0))
    once = from_bytes(to_bytes(values))
    assert not torch.equal(once, values)
    assert torch.equal(from_bytes(to_bytes(once)), once)


def test_the_largest_and_the_least_stay_finite() -> None:
    most = torch.finfo(torch.float32).max
    values = torch.tensor([[most, -most, 0.0, -0.0, 1.0, -2.0, 1e-45]])
    found = from_bytes(to_bytes(values))
    assert found.isfinite().all()
    torch.testing.assert_close(found, values, rtol=2.0**-15, atol=1e-40)


def test_no_code_is_no_value() -> None:
    assert from_bytes(torch.zeros(0, 6, dtype=torch.int64)).shape == (0, 2)
