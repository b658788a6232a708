"""What every association promises: one state, all of it counted, and no chance but the one it was given."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor

from streamlearner.associations.contract import Association
from tests.support.associations import digits, follow, gumbel, transform, trellis


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Convolutions this small take 30 times as long in two threads where another process runs beside."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize(
    "build",
    [lambda: transform((1, 16, 16), 70), lambda: trellis((1, 16, 16), 70), lambda: gumbel((1, 16, 16))],
)
def test_state_is_tensors_all_counted(build: Callable[[], Association]) -> None:
    association = build()
    follow(association, digits(50))
    state = association.state_dict()
    assert all(isinstance(value, Tensor) for value in state.values())
    assert association.parameter_bits() == sum(8 * v.numel() * v.element_size() for v in state.values())


def test_equal_streams_give_equal_codes() -> None:
    stream = digits()
    first, second = (follow(transform((1, 16, 16), 70), stream) for _ in range(2))
    assert torch.equal(first.encode(stream), second.encode(stream))
    again = [follow(trellis((1, 16, 16), 70), stream).encode(stream) for _ in range(2)]
    assert torch.equal(again[0], again[1])
    learned = [follow(gumbel((1, 16, 16)), stream[:200]) for _ in range(2)]
    assert torch.equal(
        learned[0].decode(learned[0].encode(stream)), learned[1].decode(learned[1].encode(stream))
    )
    other = follow(gumbel((1, 16, 16), seed=1), stream[:200])
    assert not torch.equal(other.encode(stream), learned[0].encode(stream))


def test_no_chance_is_taken_from_the_global_generator() -> None:
    before = torch.get_rng_state()
    follow(gumbel((1, 16, 16)), digits(50))
    follow(transform((1, 16, 16), 70), digits(50))
    follow(trellis((1, 16, 16), 70), digits(50))
    assert torch.equal(before, torch.get_rng_state())
