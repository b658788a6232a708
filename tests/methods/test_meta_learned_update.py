"""The gate of updates in the daemon: it is part of the state, and begins anew where it was trained to."""

from __future__ import annotations

from pathlib import Path

import torch

from streamlearner.app.parts import make_network
from streamlearner.config import loading as config
from streamlearner.gates.gate_file import save_gate
from streamlearner.gates.update_gate import UpdateGate
from streamlearner.methods.meta_learned_update import MetaLearnedUpdate
from tests.support.arms import TINY, accuracy, differing, make, observe, sleep


def gated(**more: object) -> MetaLearnedUpdate:
    method = make("meta_learned_update", **more)
    assert isinstance(method, MetaLearnedUpdate)
    return method


def shut(folder: Path) -> str:
    """The file of a gate that lets nothing through."""
    loaded = config.load(path=None, settings={}, environ={})
    torch.manual_seed(0)
    gate = UpdateGate(make_network(loaded, input_shape=TINY.shape), hidden=4)
    for layer in gate.gates:
        layer.output.bias.data.fill_(-200.0)
    save_gate(gate, folder / "gate.safetensors", facts={})
    return str(folder / "gate.safetensors")


def test_a_shut_gate_holds_the_whole_body_and_the_head_still_learns(tmp_path: Path) -> None:
    method = gated(method__meta_learned_update__gate=shut(tmp_path))
    before = {name: weight.clone() for name, weight in method.hippocampus.named_parameters()}
    observe(method, 5)
    moved = {n for n, weight in method.hippocampus.named_parameters() if not torch.equal(weight, before[n])}
    assert moved == {n for n in before if n.startswith("head.")}


def test_an_untrained_gate_learns_as_finetune_does() -> None:
    method, plain = gated(), make("finetune")
    for one in (method, plain):
        observe(one, 30)
    assert abs(accuracy(method, TINY, 4) - accuracy(plain, TINY, 4)) < 0.05


def test_its_cells_begin_anew_after_the_horizon_and_after_a_sleep() -> None:
    method = gated(method__meta_learned_update__horizon=3)
    observe(method, 2)
    assert method.state.any()
    observe(method, 1)
    assert not method.state.any()
    observe(method, 1)
    method.adopt(sleep(method))
    assert not method.state.any()
    assert int(method.steps_since_reset) == 0


def test_the_gate_itself_never_moves() -> None:
    method = gated()
    before = {name: value.clone() for name, value in method.gate.state_dict().items()}
    observe(method, 6)
    after = method.gate.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())
    assert differing(method.gate, gated().gate) == []
