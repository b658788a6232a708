"""The configured meta-learned update: a network, and the gate of its updates."""

from __future__ import annotations

import torch

from streamlearner.app.parts import seed_of
from streamlearner.config.loading import Config
from streamlearner.gates.gate_file import load_gate, read_tensors
from streamlearner.gates.update_gate import UpdateGate
from streamlearner.methods import METHODS
from streamlearner.methods.base import DualMemory
from streamlearner.networks.base import Network

UNTRAINED_HIDDEN = 8
"""Of a gate that changes nothing: its size matters to no one."""


def make_meta_learned_update(
    config: Config, *, network: Network, input_shape: tuple[int, ...], dtype: torch.dtype
) -> DualMemory:
    """A fresh one, around this network. Raises ConfigError for a gate of another network."""
    section = config.method.meta_learned_update
    return METHODS["meta_learned_update"](
        network=network,
        gate=load_gate(section.gate, network) if section.gate else untrained(config, network),
        horizon=section.horizon,
        learning_rate=network.learning_rate,
        steps=config.method.steps,
    )


def check_gate_file(config: Config) -> None:
    """Raises ConfigError for one that is named and cannot be read; whether it fits shows with the inputs."""
    if path := config.method.meta_learned_update.gate:
        read_tensors(path)


def untrained(config: Config, network: Network) -> UpdateGate:
    with torch.random.fork_rng(devices=[]):  # torch initialises from the global generator: lend it our seed
        torch.manual_seed(seed_of(config, "method"))
        return UpdateGate(network, hidden=UNTRAINED_HIDDEN)
