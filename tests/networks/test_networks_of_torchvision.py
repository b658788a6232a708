"""torchvision's models as networks: they learn, answer, freeze and restart as ours do."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from streamlearner.app import check_network
from streamlearner.app.learning import make_method, make_network
from streamlearner.config.loading import load
from streamlearner.errors import ConfigError
from streamlearner.methods.base import Experience
from streamlearner.networks.base import Network, sgd_step
from streamlearner.networks.by_name import build_network, resolve_name
from streamlearner.networks.precision import choose
from streamlearner.registry.networks import NETWORKS

SMALL = ["mobilenet_v3_small", "shufflenet_v2_x0_5"]  # the one with dropout, the other without


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def drawn(*shape: int) -> Tensor:
    return torch.rand(shape, generator=rng())


def step(network: Network, inputs: Tensor) -> None:
    loss = F.cross_entropy(network.train()(inputs), torch.arange(len(inputs)))
    loss.backward()  # type: ignore[no-untyped-call]
    sgd_step(network, learning_rate=network.learning_rate, loss=float(loss.detach()))


def test_either_precision_computes() -> None:
    network = build_network(name=SMALL[1], input_shape=(3, 16, 16), generator=rng())
    assert choose(network, setting="auto", input_shape=(3, 16, 16), clock=time.perf_counter) in (True, False)
    network.half_precision = True
    step(network, drawn(2, 3, 16, 16))
    assert network.features(drawn(2, 3, 16, 16)).dtype == torch.float32


def test_a_method_learns_with_one() -> None:
    config = load(path=None, settings={"network.name": SMALL[1]}, environ={})
    method = make_method(config, input_shape=(3, 32, 32), dtype=torch.uint8)
    inputs = (drawn(10, 3, 32, 32) * 255).to(torch.uint8)
    for _ in range(2):
        method.observe(Experience(inputs=inputs, labels=torch.arange(10) % 2, tasks=torch.full((10,), -1)))
    probabilities = method.predict_proba(inputs, None)
    assert torch.allclose(probabilities.sum(1), torch.ones(10), atol=1e-5)


# names


@pytest.mark.parametrize("name", [part.name for part in NETWORKS.shipped])
def test_a_shipped_network_is_no_model_of_torchvision(name: str) -> None:
    assert not load(path=None, settings={"network.name": name}, environ={}).network.is_of_torchvision
    assert isinstance(build_network(name=name, input_shape=(1, 28, 28), generator=rng()), Network)


def test_a_name_means_itself_and_a_wrong_one_names_the_nearest() -> None:
    assert resolve_name(name="resnet18", input_shape=(3, 32, 32)) == "resnet18"
    for wrong, near in (("mobilnet_v3_smal", "mobilenet_v3_small"), ("lennet", "lenet")):
        with pytest.raises(ValueError, match=f"no network '{wrong}'; did you mean {near}?"):
            resolve_name(name=wrong, input_shape=(3, 32, 32))
        with pytest.raises(ConfigError, match=f"network.name: there is no network '{wrong}'; did you mean"):
            check_network(load(path=None, settings={"network.name": wrong}, environ={}))


@pytest.mark.parametrize(("shape", "mend"), [((5,), "use mlp"), ((2, 32, 32), "use resnet18_reduced")])
def test_inputs_that_no_model_takes_are_refused(shape: tuple[int, ...], mend: str) -> None:
    with pytest.raises(ValueError, match=rf"resnet18 needs images .*found inputs of shape \[.*{mend}"):
        build_network(name="resnet18", input_shape=shape, generator=rng())


def test_weights_belong_to_a_model_of_torchvision() -> None:
    with pytest.raises(ConfigError, match=r"network.weights to be null, as network.name lenet is none of"):
        load(path=None, settings={"network.name": "lenet", "network.weights": "DEFAULT"}, environ={})
    with pytest.raises(ConfigError, match="resnet18 has no weights 'BEST'"):
        check_network(
            load(path=None, settings={"network.name": "resnet18", "network.weights": "BEST"}, environ={})
        )


def test_a_network_that_takes_over_has_weights_of_its_own(tmp_path: Path) -> None:
    """Pretrained weights are those of the configured network: none are fetched for another."""
    settings = {"network.name": SMALL[0], "network.weights": "DEFAULT", "state_dir": str(tmp_path)}
    config = load(path=None, settings=settings, environ={})
    made = make_network(config, input_shape=(3, 32, 32), name=SMALL[1])
    assert made.head.in_features == 1024
    assert not (tmp_path / "pretrained").exists()
