"""Networks with an open set of classes, and the two plain steps that move their weights."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from streamlearner.networks.averaged import AveragedNetwork
from streamlearner.networks.base import (
    MAX_GRADIENT_NORM,
    Network,
    Standardisation,
    sgd_step,
)
from streamlearner.networks.by_name import build_network, mlp
from streamlearner.networks.head import HEAD_BLOCK, OpenHead

SHAPES = {"mlp": (5,), "mlp_dropout": (5,), "lenet": (1, 16, 20), "resnet18_reduced": (3, 16, 16)}
EVERY = [*SHAPES.items(), ("auto", (6,)), ("auto", (1, 8, 8)), ("auto", (1, 28, 28)), ("auto", (3, 32, 32))]


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def make(name: str = "mlp", shape: tuple[int, ...] = (5,), seed: int = 0) -> Network:
    return build_network(name=name, input_shape=shape, generator=rng(seed))


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=rng(seed))


# the open head


def test_a_head_grows_in_blocks_and_keeps_what_it_knows() -> None:
    head = OpenHead(features=3)
    head.weight.data.copy_(drawn(HEAD_BLOCK, 3))
    head.bias.data.copy_(drawn(HEAD_BLOCK))
    features, before = drawn(2, 3, seed=1), head(drawn(2, 3, seed=1)).detach()
    assert not head.grow(HEAD_BLOCK)
    assert head.grow(HEAD_BLOCK + 1)
    assert head.rows == 2 * HEAD_BLOCK
    assert torch.equal(head(features)[:, :HEAD_BLOCK], before)
    assert (head(features)[:, HEAD_BLOCK:] == 0).all()


def test_a_grown_head_learns_or_not_as_before() -> None:
    for requires_grad in (True, False):
        head = OpenHead(features=3).requires_grad_(requires_grad)
        head.grow(100)
        assert head.weight.requires_grad == head.bias.requires_grad == requires_grad


@pytest.mark.parametrize(("mine", "loaded"), [(1, 40), (40, 1), (40, 40)])
def test_a_head_takes_over_any_number_of_rows(mine: int, loaded: int) -> None:
    one, other = make(), make(seed=1)
    one.head.grow(mine)
    other.head.grow(loaded)
    other.head.weight.data.copy_(drawn(other.head.rows, other.head.in_features))
    one.load_state_dict(other.state_dict())
    assert one.head.rows == other.head.rows
    assert torch.equal(one(drawn(4, 5)), other(drawn(4, 5)))


def test_the_list_of_weights_follows_growth_copies_and_loading() -> None:
    network = make()
    assert [id(p) for p in network.weights] == [id(p) for p in network.parameters()]
    network.head.grow(40)
    assert [id(p) for p in network.weights] == [id(p) for p in network.parameters()]
    twin = copy.deepcopy(network)
    assert [id(p) for p in twin.weights] == [id(p) for p in twin.parameters()]
    twin.load_state_dict(make().state_dict())
    assert [id(p) for p in twin.weights] == [id(p) for p in twin.parameters()]


# building


@pytest.mark.parametrize(("name", "shape"), EVERY)
def test_every_network_gives_features_and_logits_for_any_number_of_inputs(
    name: str, shape: tuple[int, ...]
) -> None:
    network = make(name, shape)
    for count in (1, 3):
        features = network.features(drawn(count, *shape))
        assert features.shape == (count, network.head.in_features)
        assert network(drawn(count, *shape)).shape == (count, HEAD_BLOCK)


@pytest.mark.parametrize(("name", "shape"), EVERY)
def test_weights_are_drawn_from_the_generator_alone(name: str, shape: tuple[int, ...]) -> None:
    before = torch.get_rng_state()
    one = make(name, shape)
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(1)
    other, third = make(name, shape), make(name, shape, seed=1)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
    assert any(not torch.equal(a, b) for a, b in zip(one.parameters(), third.parameters(), strict=True))


def test_auto_chooses_by_shape() -> None:
    def kinds(shape: tuple[int, ...]) -> set[str]:
        return {type(module).__name__ for module in make("auto", shape).modules()}

    assert "Conv2d" not in kinds((1, 15, 28)) | kinds((7,))
    assert "Conv2d" in kinds((1, 16, 16))
    assert "ResidualBlock" in kinds((3, 16, 16))


@pytest.mark.parametrize(
    ("name", "shape"),
    [("lenet", (8,)), ("lenet", (1, 15, 28)), ("resnet18_reduced", (3,)), ("resnet18_reduced", (3, 8, 8))],
)
def test_a_network_that_cannot_take_the_input_says_so_and_names_one_that_can(
    name: str, shape: tuple[int, ...]
) -> None:
    with pytest.raises(ValueError, match=rf"{name} needs images .*found inputs of shape \[.*use mlp"):
        make(name, shape)


@pytest.mark.parametrize(("name", "shape"), [("lenet", (1, 16, 16)), ("resnet18_reduced", (3, 9, 9))])
def test_the_smallest_image_can_be_learned_alone(name: str, shape: tuple[int, ...]) -> None:
    network = make(name, shape).train()
    F.cross_entropy(network(drawn(1, *shape)), torch.tensor([0])).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


# steps


def a_step(network: Network, *, scale: float = 1.0) -> None:
    loss = F.cross_entropy(network(drawn(6, 5)), torch.tensor([0, 1, 2, 0, 1, 2]))
    (loss * scale).backward()


def test_a_descent_is_torchs_plain_gradient_step_and_frees_the_gradients() -> None:
    network = make()
    twin = copy.deepcopy(network)
    optimiser = torch.optim.SGD(twin.parameters(), lr=0.3)
    for _ in range(3):
        a_step(network)
        sgd_step(network, learning_rate=0.3, loss=1.0)
        assert all(p.grad is None for p in network.parameters())
        optimiser.zero_grad()
        a_step(twin)
        optimiser.step()
    assert all(
        torch.allclose(a, b, atol=1e-7) for a, b in zip(network.parameters(), twin.parameters(), strict=True)
    )


def moved(network: Network, *, scale: float) -> Tensor:
    before = [p.detach().clone() for p in network.parameters()]
    a_step(network, scale=scale)
    sgd_step(network, learning_rate=0.1, loss=100.0)
    return torch.cat([(p - q).flatten() for p, q in zip(network.parameters(), before, strict=True)]).detach()


def test_an_absurdly_long_gradient_is_shortened_and_keeps_its_direction() -> None:
    usual, absurd = moved(make(), scale=1.0), moved(make(), scale=1e6)
    assert float(absurd.norm()) == pytest.approx(0.1 * MAX_GRADIENT_NORM, rel=1e-3)
    assert float(F.cosine_similarity(usual, absurd, dim=0)) > 0.9999


def test_a_gradient_that_is_not_finite_is_dropped_whole() -> None:
    assert (moved(make(), scale=float("inf")) == 0).all()
    assert (moved(make(), scale=float("nan")) == 0).all()


def test_the_average_follows_by_its_pace_and_copies_the_statistics() -> None:
    pair = AveragedNetwork(make("resnet18_reduced", (3, 16, 16)), steps=100)
    slow, fast = pair.average, pair.network
    with torch.no_grad():
        fast.head.bias.add_(1.0)
    fast(drawn(4, 3, 16, 16))  # batch normalisation has met something
    expected = [0.75 * a + 0.25 * b for a, b in zip(slow.parameters(), fast.parameters(), strict=True)]
    pair.update_average(decay=0.75)
    assert all(torch.allclose(p, q, atol=1e-6) for p, q in zip(slow.parameters(), expected, strict=True))
    assert all(torch.equal(a, b) for a, b in zip(slow.buffers(), fast.buffers(), strict=True))
    assert not any(a.data_ptr() == b.data_ptr() for a, b in zip(slow.buffers(), fast.buffers(), strict=True))


def test_an_average_with_its_own_statistics_gathers_them_as_it_teaches() -> None:
    pair = AveragedNetwork(make("resnet18_reduced", (3, 16, 16)), own_batch_statistics=True)
    before = [buffer.clone() for buffer in pair.average.buffers()]
    pair.network(drawn(4, 3, 16, 16))
    pair.update_average(decay=0.75)
    assert all(torch.equal(a, b) for a, b in zip(pair.average.buffers(), before, strict=True))
    pair.teacher_logits(drawn(4, 3, 16, 16))
    assert not all(torch.equal(a, b) for a, b in zip(pair.average.buffers(), before, strict=True))
    assert not pair.teacher_logits(drawn(2, 3, 16, 16)).requires_grad


def test_an_average_with_its_own_statistics_still_takes_over_the_scale_of_features() -> None:
    pair = AveragedNetwork(make("mlp", (3,)), own_batch_statistics=True)
    pair.network.update_input_statistics(drawn(50, 3) * 100)
    pair.update_average(decay=0.75)
    assert all(
        torch.equal(a, b)
        for a, b in zip(pair.average.input_statistics, pair.network.input_statistics, strict=True)
    )


def test_a_network_of_other_widths_can_be_made_by_hand() -> None:
    assert mlp(input_shape=(1, 3, 3), hidden=(7,)).features(drawn(2, 1, 3, 3)).shape == (2, 7)


def test_feature_vectors_of_any_scale_are_standardised_by_what_was_met() -> None:
    scale = Standardisation(features=3)
    stream = (
        torch.randn(400, 3, generator=torch.Generator().manual_seed(3)) * torch.tensor([1e-3, 1.0, 1e4]) + 5.0
    )
    for part in torch.split(stream, 7):
        scale.update(part)
    assert torch.allclose(scale.mean, stream.mean(0), rtol=1e-3, atol=1e-4)
    assert torch.allclose(scale.variance, stream.var(0, correction=0), rtol=1e-2)
    seen = scale(stream)
    assert seen[:, 1:].std(0).sub(1).abs().max() < 0.05
    assert scale(torch.full((1, 3), 1e9)).max() == 10.0


def test_a_constant_feature_and_a_batch_of_one_stay_finite() -> None:
    scale = Standardisation(features=2)
    scale.update(torch.tensor([[4.0, 4.0]]))
    assert scale(torch.tensor([[4.0, 5.0]])).isfinite().all()


def test_drawing_a_network_leaves_the_generators_of_a_gpu_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """They are the user's: what else draws from them goes on as if no network had been made."""
    asked: list[int] = []
    monkeypatch.setattr(torch.cuda, "manual_seed_all", asked.append)
    monkeypatch.setattr(torch.cuda, "manual_seed", asked.append)
    before = torch.get_rng_state()
    build_network(name="mlp", input_shape=(4,), generator=rng(0))
    assert not asked
    assert torch.equal(torch.get_rng_state(), before)
