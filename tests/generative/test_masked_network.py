"""What a masked generator learned of a class never changes, and its room never shrinks."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from streamlearner.generative.mask_learning import (
    ClassTraining,
    OldExamples,
    annealed,
    binary,
    learn_class,
    sparsity,
)
from streamlearner.generative.masked_network import MaskedNetwork

SHAPE = (1, 4, 4)
LATENTS = torch.randn(6, 3, generator=torch.Generator().manual_seed(9))


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def network(shape: tuple[int, ...] = SHAPE, *, units: tuple[int, int] = (8, 10)) -> MaskedNetwork:
    return MaskedNetwork(input_shape=shape, latents=3, units=units, rng=rng(1))


def training(steps: int = 30, *, sparsity: float = 0.03, learning_rate: float = 0.01) -> ClassTraining:
    return ClassTraining(
        steps=steps,
        batch_size=16,
        learning_rate=learning_rate,
        s_max=50.0,
        sparsity=sparsity,
        gradient_penalty=1.0,
        hidden=16,
    )


def picture(label: int) -> Tensor:
    """The values of a class, [16]: a few of them are 1."""
    return torch.rand(16, generator=rng(100 + label)).round()


def values(label: int) -> Callable[[int], Tensor]:
    return lambda n: picture(label).expand(n, -1)


def learn(net: MaskedNetwork, label: int, *, training: ClassTraining = training(), seed: int = 0) -> None:  # noqa: B008
    def old(n: int) -> OldExamples | None:
        if not net.known:
            return None
        return OldExamples(
            net.generate(net.known[0], n, rng=rng()).flatten(1), torch.full((n,), net.known[0])
        )

    for _ in learn_class(
        net, label, draw=values(label), draw_old=old, classes=5, training=training, rng=rng(seed)
    ):
        pass


def test_what_is_generated_of_a_class_stays_the_same_to_the_bit_whatever_is_learned_later() -> None:
    net, shown = network(), {}
    for label in (2, 0, 3, 1):
        learn(net, label, seed=label)
        shown[label] = net.shown(LATENTS, label)
        for before, picture_then in shown.items():
            assert torch.equal(net.shown(LATENTS, before), picture_then)
    assert net.known == [2, 0, 3, 1]


def test_reserved_weights_do_not_move_and_free_ones_do() -> None:
    net = network()
    learn(net, 0)
    layer = net.masked[1]
    taken, before, output = layer.blocked, layer.weight.detach().clone(), net.output.detach().clone()
    learn(net, 1)
    grown = net.masked[1].weight[: len(before), : before.shape[1]]
    assert torch.equal(grown[taken], before[taken])
    assert not torch.equal(grown[~taken], before[~taken])
    columns = net.output[:, : output.shape[1]]
    assert torch.equal(columns[:, taken], output[:, taken])
    assert not torch.equal(columns[:, ~taken], output[:, ~taken])


def test_as_many_units_are_free_after_each_class_as_at_first() -> None:
    net = network()
    first = [layer.units for layer in net.masked]
    for label in range(4):
        learn(net, label)
        assert [int((~layer.blocked).sum()) for layer in net.masked] == first
    growth = net.growth()
    assert [taken.label for taken in growth] == [0, 1, 2, 3]
    assert sum(taken.reserved for taken in growth) == net.blocked
    assert growth[-1].units == net.units == sum(first) + net.blocked
    assert growth[0].reused == 0


def test_a_class_comes_to_look_like_its_examples() -> None:
    net = network(units=(16, 32))
    learn(net, 1, training=training(steps=400, learning_rate=2e-3))
    assert float((net.shown(LATENTS, 1).flatten(1) - picture(1)).abs().mean()) < 0.1


def test_sparsity_reserves_fewer_units() -> None:
    free, sparse = network(), network()
    learn(free, 0, training=training(steps=150, sparsity=0.0))
    learn(sparse, 0, training=training(steps=150, sparsity=30.0))
    assert sparse.blocked < free.blocked


def test_it_goes_through_its_state_into_a_fresh_one() -> None:
    net, other = network(), network()
    for label in (1, 0):
        learn(net, label)
    other.load_state_dict(net.state_dict())
    assert torch.equal(other.shown(LATENTS, 1), net.shown(LATENTS, 1))
    learn(net, 2)
    learn(other, 2)
    assert torch.equal(other.shown(LATENTS, 2), net.shown(LATENTS, 2))
    assert other.growth() == net.growth()


def test_feature_vectors_come_on_the_scale_of_their_class() -> None:
    net = network(shape=(5,), units=(64, 128))
    vectors, draws = 1000.0 + 20.0 * torch.randn(200, 5, generator=rng(3)), rng(4)
    net.measure(0, vectors)
    for _ in learn_class(
        net,
        0,
        draw=lambda n: net.standardised(0, vectors[torch.randint(200, (n,), generator=draws)]),
        draw_old=lambda n: None,
        classes=1,
        training=training(steps=500, learning_rate=2e-3),
        rng=rng(),
    ):
        pass
    shown = net.generate(0, 300, rng=rng())
    assert (shown.mean(0) - 1000.0).abs().max() < 15.0
    assert 5.0 < shown.std(0).mean() < 60.0, (
        "20 in each column of what was learned, and from 3 to 39 of what is shown"
    )


def test_a_latent_is_shown_alike_alone_and_beside_others() -> None:
    net = network()
    learn(net, 0)
    many = net.shown(LATENTS, 0)
    assert torch.allclose(net.shown(LATENTS[:1], 0), many[:1], atol=1e-6)


def test_masks_harden_in_a_straight_line() -> None:
    assert annealed(0, steps=11, s_max=100.0) == pytest.approx(0.01)
    assert annealed(5, steps=11, s_max=100.0) == pytest.approx(50.005)
    assert annealed(10, steps=11, s_max=100.0) == pytest.approx(100.0)
    assert annealed(0, steps=1, s_max=100.0) == pytest.approx(0.01)


def test_sparsity_counts_what_no_class_has_reserved() -> None:
    masks = [torch.tensor([1.0, 0.5, 0.5]), torch.tensor([0.25])]
    blocked = [torch.tensor([True, False, False]), torch.tensor([False])]
    assert float(sparsity(masks, blocked)) == pytest.approx((0.5 + 0.5 + 0.25) / 3)
    assert float(sparsity(masks, [torch.ones(3) > 0, torch.ones(1) > 0])) == 0.0


def test_a_layer_is_never_left_empty() -> None:
    assert binary(torch.tensor([-1.0, 2.0, 3.0])).tolist() == [False, True, True]
    assert binary(torch.tensor([-3.0, -2.0, -2.5])).tolist() == [False, True, False]


def test_a_class_that_was_not_learned_is_an_error_that_names_those_that_were() -> None:
    net = network()
    learn(net, 3)
    with pytest.raises(ValueError, match=r"class 1 was not learned; there are \[3\]"):
        net.shown(LATENTS, 1)
