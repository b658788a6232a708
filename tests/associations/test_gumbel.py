"""The discrete autoencoder learns, decodes with frozen weights, and restarts where it stopped."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import pytest
import torch

from tests.support.associations import SHAPES, digits, distortion, follow, gumbel, inputs_of


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Convolutions this small take 30 times as long in two threads where another process runs beside."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def test_the_autoencoder_learns() -> None:
    stream = digits()[torch.randperm(1200, generator=torch.Generator().manual_seed(0))]
    association = gumbel((1, 16, 16), steps=5)
    found = [distortion(association, stream)]
    for _ in range(2):
        follow(association, stream, batch=20)
        found.append(distortion(association, stream))
    assert found == sorted(found, reverse=True)
    assert found[-1] < 0.7  # 1 is the mean image


def test_the_autoencoder_of_images_starts_at_the_mean_of_the_first_batch_and_only_there() -> None:
    dark, light = torch.full((10, 1, 16, 16), 0.05), torch.full((10, 1, 16, 16), 0.95)
    association = gumbel((1, 16, 16))
    starts = []
    for batch in (dark, light):
        association.learn(batch, None)
        starts.append(float(association.decode(association.encode(batch)).mean()))
    assert starts[0] == pytest.approx(0.05, abs=0.05)
    assert starts[1] < 0.3


def test_the_autoencoder_decodes_with_frozen_weights() -> None:
    association = gumbel((1, 16, 16))
    symbols = association.encode(digits(20))
    with torch.no_grad():
        before = association.decode(symbols)
        for parameter in association.decoder.parameters():
            parameter.add_(0.05)
        assert torch.equal(association.decode(symbols), before)
        association.freeze()
        assert not torch.equal(association.decode(symbols), before)


def test_another_seed_makes_another_autoencoder() -> None:
    stream = digits(200)
    one, other = (follow(gumbel((1, 16, 16), seed=seed), stream) for seed in (0, 1))
    assert not torch.equal(one.encode(stream), other.encode(stream))


def test_a_restored_autoencoder_goes_on_bit_for_bit() -> None:
    stream = digits(400)
    kept = gumbel((1, 16, 16))
    follow(kept, stream[:200])
    restored = gumbel((1, 16, 16), seed=9)
    restored.load_state_dict(copy.deepcopy(kept.state_dict()))
    restored._generator.set_state(kept._generator.get_state())
    for association in (kept, restored):
        for inputs in torch.split(stream[200:], 10):
            association.learn(inputs, association.decode(association.encode(stream[:10])))
    for name, value in kept.state_dict().items():
        assert torch.equal(value, restored.state_dict()[name]), name


@pytest.mark.parametrize("shape", SHAPES)
def test_the_autoencoder_takes_any_shape(shape: tuple[int, ...]) -> None:
    association = gumbel(shape)
    inputs = inputs_of(shape, 6)
    association.learn(inputs, inputs[:3])
    symbols = association.encode(inputs)
    assert symbols.shape == (6, 16) and symbols.dtype == torch.int64 and int(symbols.max()) < 4
    assert association.decode(symbols).shape == inputs.shape


def test_a_state_of_version_0_1_loads_with_its_optimiser() -> None:
    """There the optimiser's state lay among the association's own buffers, under other names."""
    kept = follow(gumbel((1, 16, 16)), digits(100))
    state = kept.state_dict()
    names = {"adam.exp_avg": "moment", "adam.exp_avg_sq": "scale", "adam.steps": "updates"}
    restored = gumbel((1, 16, 16), seed=9)
    restored.load_state_dict({names.get(name, name): value for name, value in state.items()})
    assert int(restored.adam.steps) == 10
    assert all(torch.equal(value, restored.state_dict()[name]) for name, value in state.items())
