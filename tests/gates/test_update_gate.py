"""A gate multiplies gradients, unit by unit, and lets all through until it is trained."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from streamlearner.app import build
from streamlearner.connectors.memory import MemorySource
from streamlearner.errors import ConfigError
from streamlearner.gates.gate_file import load_gate, save_gate
from streamlearner.gates.update_gate import (
    Activity,
    LayerGate,
    UpdateGate,
    recorded_activities,
    rms_normalised,
)
from streamlearner.networks.base import Network
from streamlearner.networks.by_name import lenet, mlp
from tests.support.daemon_runs import settings

SHAPE = (1, 16, 16)


def network(seed: int = 0) -> Network:
    torch.manual_seed(seed)
    made = lenet(input_shape=SHAPE, channels=(3, 4), hidden=5)
    nn.init.normal_(made.head.weight)  # zero at first: no gradient would reach the body
    return made


def stirred(gate: UpdateGate) -> UpdateGate:
    """Not untrained any more."""
    torch.manual_seed(1)
    for parameter in gate.parameters():
        parameter.data.add_(0.3 * torch.randn_like(parameter))
    return gate


def stepped(net: Network, gate: UpdateGate, state: Tensor) -> Tensor:
    """Gradients of a batch, gated; the next state."""
    images = torch.rand(6, *SHAPE, generator=torch.Generator().manual_seed(2))
    with recorded_activities(net.body) as activities:
        loss = F.cross_entropy(net(images), torch.arange(6))
    net.zero_grad()
    loss.backward()
    return gate.modulate(net.body, activities, state)


def gradients(net: Network) -> list[Tensor]:
    return [weight.grad.clone() for weight in net.weights if weight.grad is not None]


def test_an_untrained_gate_leaves_every_gradient_as_it_is() -> None:
    net, plain = network(), network()
    stepped(net, gate := UpdateGate(net, hidden=4), gate.initial_state())
    images = torch.rand(6, *SHAPE, generator=torch.Generator().manual_seed(2))
    F.cross_entropy(plain(images), torch.arange(6)).backward()
    for gated, free in zip(gradients(net), gradients(plain), strict=True):
        assert torch.allclose(gated, free, rtol=1e-5, atol=0)


def test_a_trained_gate_changes_weights_and_biases_of_the_body_but_not_the_head() -> None:
    net, plain = network(), network()
    stepped(net, gate := stirred(UpdateGate(net, hidden=4)), gate.initial_state())
    stepped(plain, other := UpdateGate(plain, hidden=4), other.initial_state())
    same = [
        torch.allclose(gated, free, rtol=1e-4)
        for gated, free in zip(gradients(net), gradients(plain), strict=True)
    ]
    names = [name for name, _ in net.named_parameters()]
    changed = {name for name, equal in zip(names, same, strict=True) if not equal}
    assert changed == {f"body.{layer}.{part}" for layer in (0, 3, 7) for part in ("weight", "bias")}


def test_no_gradient_changes_its_sign() -> None:
    gate = stirred(UpdateGate(network(), hidden=4))
    for parameter in gate.parameters():
        parameter.data.mul_(20.0)
    net, plain = network(), network()
    stepped(net, gate, gate.initial_state())
    stepped(plain, other := UpdateGate(plain, hidden=4), other.initial_state())
    for gated, free in zip(gradients(net), gradients(plain), strict=True):
        assert (gated * free >= 0).all()
        assert (gated.abs() <= 1.06 * free.abs()).all()


def test_each_weight_may_have_an_offset_of_its_own() -> None:
    net, plain = network(), network()
    gate = UpdateGate(net, hidden=4, each_weight=True)
    with torch.no_grad():
        gate.gates[2].own[1, 0] = -100.0
    stepped(net, gate, gate.initial_state())
    stepped(plain, other := UpdateGate(plain, hidden=4), other.initial_state())
    gated, free = net.body[7].weight.grad, plain.body[7].weight.grad
    assert abs(gated[1, 0]) < 1e-30 < abs(free[1, 0])
    free[1, 0] = gated[1, 0]
    assert torch.allclose(gated, free, rtol=1e-5, atol=0)


def test_a_layer_without_biases_is_gated_as_well() -> None:
    torch.manual_seed(0)
    body = nn.Sequential(nn.Flatten(), nn.Linear(256, 5, bias=False), nn.ReLU())
    net = Network(body=body, features=5, learning_rate=0.1)
    nn.init.normal_(net.head.weight)
    gate = stirred(UpdateGate(net, hidden=4))
    stepped(net, gate, gate.initial_state())
    gated = net.body[1].weight.grad.clone()
    stepped(net, other := UpdateGate(net, hidden=4), other.initial_state())
    assert not torch.allclose(gated, net.body[1].weight.grad, rtol=1e-3)


def test_what_its_cells_remember_changes_what_it_gives() -> None:
    net = network()
    gate = stirred(UpdateGate(net, hidden=4))
    state = stepped(net, gate, gate.initial_state())
    first = gradients(net)
    stepped(net, gate, state)
    assert not torch.allclose(gradients(net)[0], first[0])
    assert state.shape == gate.initial_state().shape == (2, 3, 3 + 4 + 5, 4)


def test_units_of_a_layer_are_gated_alike_whatever_their_place() -> None:
    torch.manual_seed(3)
    gate = LayerGate(weights=6, channels=2, hidden=4)
    nn.init.normal_(gate.output.weight)
    weights, found = torch.randn(5, 6), torch.randn(5, 6)
    before, after, order = torch.randn(2), torch.randn(5), torch.tensor([3, 1, 4, 0, 2])
    state = torch.zeros(2, 3, 5, 4)
    gates, _ = gate(weights, found, Activity(before, after), state)
    turned, _ = gate(weights[order], found[order], Activity(before, after[order]), state)
    assert torch.allclose(turned, gates[order], atol=1e-6)


def test_activities_are_means_over_examples_and_places() -> None:
    layer = nn.Sequential(nn.Conv2d(2, 3, 1), nn.ReLU())
    images = torch.randn(4, 2, 5, 5)
    with recorded_activities(layer) as activities:
        out = layer(images)
    before, after = activities["0"]
    assert torch.allclose(before, images.mean((0, 2, 3)), atol=1e-6)
    assert torch.allclose(after, out.mean((0, 2, 3)), atol=1e-6)
    layer(torch.zeros_like(images))  # outside nothing is watched any more
    assert torch.equal(activities["0"].before, before)


def test_what_is_no_number_is_read_as_nothing() -> None:
    assert rms_normalised(torch.tensor([1.0, float("nan"), 2.0])).tolist() == [0.0, 0.0, 0.0]
    assert rms_normalised(torch.zeros(3)).tolist() == [0.0, 0.0, 0.0]
    assert torch.allclose(
        rms_normalised(torch.tensor([3e-9, 4e-9])), rms_normalised(torch.tensor([3.0, 4.0]))
    )


def test_a_gate_goes_through_a_file_into_another_network_of_its_kind(tmp_path: Path) -> None:
    gate, path = stirred(UpdateGate(network(), hidden=7)), tmp_path / "gate.safetensors"
    save_gate(gate, path, facts={"network": "lenet"})
    loaded = load_gate(path, network(5))
    assert loaded.hidden == 7
    assert all(torch.equal(loaded.state_dict()[name], value) for name, value in gate.state_dict().items())


def test_a_gate_for_each_weight_brings_the_network_that_it_was_trained_for(tmp_path: Path) -> None:
    start, other = network(), network(5)
    gate, path = stirred(UpdateGate(start, hidden=4, each_weight=True)), tmp_path / "gate.safetensors"
    save_gate(gate, path, facts={}, start=start)
    loaded = load_gate(path, other)
    assert all(torch.equal(loaded.state_dict()[name], value) for name, value in gate.state_dict().items())
    assert all(
        torch.equal(a, b) for a, b in zip(start.body.parameters(), other.body.parameters(), strict=True)
    )


def test_a_gate_of_another_network_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "gate.safetensors"
    save_gate(UpdateGate(network(), hidden=4), path, facts={})
    torch.manual_seed(0)
    other = mlp(input_shape=SHAPE, hidden=(6,))
    with pytest.raises(ConfigError, match="not trained for this network and these inputs"):
        load_gate(path, other)
    path.write_bytes(b"no gate at all")
    with pytest.raises(ConfigError, match="expected a file made by `streamlearner meta-train`"):
        load_gate(path, other)
    with pytest.raises(ConfigError, match="expected a file made by"):
        load_gate(tmp_path / "absent.safetensors", other)


def test_a_daemon_with_no_such_gate_does_not_start(tmp_path: Path) -> None:
    config = settings(
        tmp_path,
        method__name="meta_learned_update",
        method__meta_learned_update__gate=tmp_path / "absent.safetensors",
    )
    with pytest.raises(ConfigError, match=r"method\.meta_learned_update\.gate: .*absent\.safetensors"):
        build(config, source=MemorySource([]))
