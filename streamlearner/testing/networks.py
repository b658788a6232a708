"""The conformance suite of networks: what methods rely on, whatever the body is."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from streamlearner.app.parts import make_network
from streamlearner.config.loading import load
from streamlearner.networks.averaged import AveragedNetwork
from streamlearner.networks.base import Network, sgd_step
from streamlearner.networks.head import HEAD_BLOCK
from streamlearner.testing.states import differing
from streamlearner.testing.threads import OneThread

Shape = tuple[int, ...]


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def step(network: Network, inputs: Tensor) -> float:
    """One step towards a class for each input, at the network's own step size; the loss before it."""
    loss = F.cross_entropy(network.train()(inputs), torch.arange(len(inputs)))
    loss.backward()  # type: ignore[no-untyped-call]
    sgd_step(network, learning_rate=network.learning_rate, loss=(value := float(loss.detach())))
    return value


class NetworkConformance(OneThread):
    """One line of pytest: `TestMine = NetworkConformance.of("my_package.module:Mine", shapes=[(1, 28, 28)])`.

    `shapes` are those of the inputs that it is tried with; settings are those of a configuration, dots as two
    underscores: `network__mine__width=8`.
    """

    SETTINGS: ClassVar[Mapping[str, Any]]
    SHAPES: ClassVar[Sequence[Shape]]

    @classmethod
    def of(cls, part: str, *, shapes: Sequence[Shape], **settings: Any) -> type[NetworkConformance]:
        """The suite for the network of this name."""
        dotted = {name.replace("__", "."): value for name, value in settings.items()}
        return type(cls.__name__, (cls,), {"SETTINGS": {"network.name": part} | dotted, "SHAPES": shapes})

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        if "shape" in metafunc.fixturenames:
            metafunc.parametrize("shape", self.SHAPES, ids=lambda shape: "x".join(map(str, shape)))

    def make(self, shape: Shape, *, seed: int = 0) -> Network:
        """A fresh one, drawn from `seed`."""
        settings = {"seed": seed, **self.SETTINGS}
        return make_network(load(path=None, settings=settings, environ={}), input_shape=shape)

    def test_it_learns_from_a_batch_of_any_size_and_makes_features_and_logits(self, shape: Shape) -> None:
        network = self.make(shape)
        for count in (1, 3):
            step(network, drawn(count, *shape))
        assert all(parameter.isfinite().all() for parameter in network.parameters())
        features = network.features(drawn(2, *shape))
        assert (features.dtype, features.shape) == (torch.float32, (2, network.head.in_features))
        assert network(drawn(2, *shape)).shape == (2, HEAD_BLOCK)

    def test_its_own_step_size_moves_it(self, shape: Shape) -> None:
        network, inputs = self.make(shape), drawn(4, *shape)
        network.update_input_statistics(inputs)
        losses = [step(network, inputs) for _ in range(30)]
        assert min(losses[-5:]) < 0.9 * losses[0]

    def test_nothing_is_drawn_from_a_global_generator(self, shape: Shape) -> None:
        before = torch.get_rng_state()
        step(self.make(shape), drawn(3, *shape))
        assert torch.equal(torch.get_rng_state(), before)

    def test_the_weights_follow_from_the_seed(self, shape: Shape) -> None:
        one, same, other = (self.make(shape, seed=seed) for seed in (0, 0, 1))
        assert differing(one, same) == []
        assert differing(one, other) != []

    def test_equal_states_take_equal_steps(self, shape: Shape) -> None:
        one = self.make(shape)
        step(one, drawn(3, *shape))
        other = self.make(shape, seed=1)
        other.load_state_dict({name: value.clone() for name, value in one.state_dict().items()})
        losses = [[step(each, drawn(4, *shape, seed=seed)) for seed in range(3)] for each in (one, other)]
        assert losses[0] == losses[1]
        assert differing(one, other) == []

    def test_a_copy_an_average_and_a_restart_answer_alike(self, shape: Shape) -> None:
        pair, inputs = AveragedNetwork(self.make(shape)), drawn(2, *shape)
        step(pair.network, drawn(4, *shape))
        pair.update_average(decay=0.5)
        restored = AveragedNetwork(self.make(shape, seed=1))
        restored.load_state_dict(pair.state_dict())
        answers = [each.average.eval()(inputs) for each in (pair, restored, copy.deepcopy(pair))]
        assert torch.equal(answers[0], answers[1])
        assert torch.equal(answers[0], answers[2])

    def test_what_it_answers_does_not_depend_on_what_else_is_asked(self, shape: Shape) -> None:
        network, inputs = self.make(shape), drawn(5, *shape)
        step(network, inputs)
        network.eval()
        alone = torch.cat([network(one[None]) for one in inputs])
        assert torch.allclose(network(inputs), alone, atol=1e-4)
        assert not network.training

    def test_it_computes_in_half_precision_too(self, shape: Shape) -> None:
        network = self.make(shape)
        network.half_precision = True
        step(network, drawn(2, *shape))
        assert network.features(drawn(2, *shape)).dtype == torch.float32
