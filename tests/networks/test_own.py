"""A user's own module as a network: what it is given, what it must give, what is said where it does not."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from streamlearner.app.learning import make_learner
from streamlearner.app.parts import make_network
from streamlearner.config.loading import load
from streamlearner.decoding.codec import Schema
from streamlearner.errors import ConfigError
from streamlearner.networks.base import Network, Standardisation
from streamlearner.networks.dropout import Dropout
from streamlearner.registry.section import Section
from streamlearner.testing.streams import KINDS, Subject, observe

IMAGES = (1, 8, 8)


class Plain(nn.Module):
    def __init__(self, *, input_shape: tuple[int, ...], width: int = 6) -> None:
        super().__init__()
        self.layer = nn.Linear(int(torch.tensor(input_shape).prod()), width)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.layer(inputs.flatten(1))  # type: ignore[no-any-return]


class Wide(Plain):
    learning_rate = 0.5

    class Settings(Section):
        width: int = 9
        """of its features"""


class Maps(nn.Module):
    def __init__(self, *, input_shape: tuple[int, ...]) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(input_shape[0], 4, 3), nn.BatchNorm2d(4))

    def forward(self, images: Tensor) -> Tensor:
        return self.layers(images)  # type: ignore[no-any-return]


class Dropping(Plain):
    def __init__(self, *, input_shape: tuple[int, ...], share: float = 0.5) -> None:
        super().__init__(input_shape=input_shape)
        self.drop = nn.Dropout(share)


class Ours(Dropping):
    def __init__(self, *, input_shape: tuple[int, ...]) -> None:
        super().__init__(input_shape=input_shape, share=0.0)
        self.ours = Dropout(rate=0.5, seed=1)


class Picky(Plain):
    def __init__(self, *, input_shape: tuple[int, ...]) -> None:
        super().__init__(input_shape=input_shape)
        raise RuntimeError("no images of that kind")


class Classifying(Plain):
    def forward(self, inputs: Tensor) -> Any:
        return super().forward(inputs), "and more"


class Summed(Plain):
    def forward(self, inputs: Tensor) -> Any:
        return super().forward(inputs).sum()


def factory(*, input_shape: tuple[int, ...]) -> nn.Module:
    return Plain(input_shape=input_shape, width=3)


def normalised(*, input_shape: tuple[int, ...]) -> nn.Module:
    return nn.Sequential(nn.Linear(*input_shape, 8), nn.BatchNorm1d(8), nn.ReLU())


def no_factory(*, input_shape: tuple[int, ...]) -> int:
    return 3


def made(name: str, shape: tuple[int, ...] = IMAGES, **flags: object) -> Network:
    settings = {key.replace("__", "."): value for key, value in flags.items()}
    config = load(path=None, settings={"network.name": f"{__name__}:{name}", **settings}, environ={})
    return make_network(config, input_shape=shape)


@pytest.mark.parametrize(
    ("name", "features", "rate"),
    [("Plain", 6, 0.01), ("Wide", 9, 0.5), ("Maps", 4 * 36, 0.1), ("factory", 3, 0.01), ("Ours", 6, 0.01)],
)
def test_a_module_gets_a_head_over_its_features_and_a_step_size(
    name: str, features: int, rate: float
) -> None:
    network = made(name)
    assert network.head.in_features == features
    assert network.learning_rate == rate
    assert network(torch.rand(3, *IMAGES)).shape == (3, network.head.rows)


def test_its_settings_are_arguments_and_the_configured_step_size_counts() -> None:
    network = made("Wide", network__wide__width=4, method__learning_rate=0.2)
    assert (network.head.in_features, network.learning_rate) == (4, 0.2)


def test_feature_vectors_come_standardised() -> None:
    network = made("Plain", (5,))
    assert isinstance(network.body[0], Standardisation)  # type: ignore[index]
    network.update_input_statistics(torch.randn(50, 5) * 1000 + 7)
    assert network.features(torch.randn(50, 5) * 1000 + 7).abs().max() < 100


WRONG = {
    "Dropping": "drop draws from torch's global generator at each step, so that no run could be repeated",
    "Picky": r"called with input_shape=\(1, 8, 8\), it ended with RuntimeError: no images of that kind",
    "Classifying": "of 2 inputs it made a tuple; expected features",
    "Summed": r"of 2 inputs it made \[\]; expected features",
    "no_factory": "made a int; expected a torch.nn.Module",
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_used_is_refused_with_what_was_found(name: str) -> None:
    with pytest.raises(ConfigError, match=f"network {__name__}:{name}: .*({WRONG[name]})"):
        made(name)


@pytest.mark.parametrize("method", ["finetune", "rehearsal", "active_long_term", "recollection_replay"])
def test_a_batch_of_one_example_is_learned_where_batches_are_normalised(method: str) -> None:
    """Torch refuses to normalise one value of a channel: running statistics do, and others go on as ever."""
    subject = Subject({"method.name": method, "network.name": f"{__name__}:normalised"})
    learner = subject.make(KINDS["features"])
    observe(learner, 3, kind=KINDS["features"], size=1)
    observe(learner, 1, kind=KINDS["features"], size=4, first=3)
    network = getattr(learner.hippocampus, "network", learner.hippocampus)
    (layer,) = [part for part in network.modules() if isinstance(part, nn.BatchNorm1d)]
    assert layer.num_batches_tracked is not None and int(layer.num_batches_tracked) >= 1


def test_only_the_configuration_names_code() -> None:
    """A request for a transplant, or a checkpoint, that names another module's class imports nothing."""
    schema = Schema(shape=IMAGES, dtype="uint8")
    learner = make_learner(load(path=None, settings={"threads": 1}, environ={}), schema=schema)
    with pytest.raises(ConfigError, match="os:system is code that only the configuration may name"):
        learner.begin_transplant("os:system", steps=1)
