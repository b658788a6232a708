"""A trained update gate as a file: safetensors, with what it was trained on and how in its metadata."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

from streamlearner.errors import CheckpointError, ConfigError
from streamlearner.gates.update_gate import UpdateGate
from streamlearner.networks.base import Network
from streamlearner.state.durable_files import read_file

SETTING = "method.meta_learned_update.gate"
START = "start."
"""Prefix of the network's own weights, which the file holds where the gate fits one network alone."""


def save_gate(
    gate: UpdateGate, path: Path, *, facts: Mapping[str, str], start: Network | None = None
) -> None:
    """Writes the gate's weights, and those of the body of `start` for a gate with an offset for each of them.
    `facts`, on what the gate was trained, become the metadata of the file."""
    tensors = dict(gate.state_dict())
    if start is not None:
        tensors |= {f"{START}{name}": value.contiguous() for name, value in start.body.state_dict().items()}
    safetensors.torch.save_file(tensors, path, metadata=dict(facts))


def read_tensors(path: Path) -> dict[str, Tensor]:
    """All tensors in the file by name. Raises ConfigError where it cannot be read."""
    try:
        return safetensors.torch.load(read_file(path))
    except (CheckpointError, SafetensorError) as error:
        raise ConfigError(
            f"{SETTING}: {error}: expected a file made by `streamlearner meta-train`; found {path}"
        ) from error


def load_gate(path: Path, network: Network) -> UpdateGate:
    """The gate in the file, for a network of the architecture that it was trained on. Where the file also
    holds weights of a network, they are loaded into the body of `network`. Raises ConfigError for a file that
    cannot be read, and for a gate of other layers than the network's."""
    tensors = read_tensors(path)
    start = {name.removeprefix(START): tensors.pop(name) for name in list(tensors) if name.startswith(START)}
    found = tensors.get("gates.0.output.weight")
    gate = UpdateGate(
        network,
        hidden=found.shape[1] if found is not None and found.ndim == 2 else 1,
        each_weight=any(name.endswith(".own") for name in tensors),
    )
    try:
        gate.load_state_dict(tensors)
        if start:
            network.body.load_state_dict(start)
    except RuntimeError as error:
        layers = ", ".join(f"{name} {list(shape)}" for name, shape in gate.layers.items())
        raise ConfigError(
            f"{SETTING}: {path} was not trained for this network and these inputs; its layers are {layers}: "
            "train one with `streamlearner meta-train --network`, or name the network that it was trained on"
        ) from error
    return gate
