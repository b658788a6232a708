"""State, compared bit for bit."""

from __future__ import annotations

import pickle
import random
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn


def state(module: nn.Module) -> dict[str, tuple[torch.dtype, tuple[int, ...], bytes]]:
    """State by name, comparable bit for bit."""
    return {name: exactly(tensor) for name, tensor in module.state_dict().items()}


def exactly(tensor: Tensor) -> tuple[torch.dtype, tuple[int, ...], bytes]:
    return tensor.dtype, tuple(tensor.shape), tensor.detach().contiguous().numpy().tobytes()


def differing(one: nn.Module, other: nn.Module) -> list[str]:
    """Names of state that is not the same bit for bit."""
    first, second = state(one), state(other)
    return sorted(name for name in first.keys() | second.keys() if first.get(name) != second.get(name))


def global_generators() -> tuple[Any, ...]:
    """Where torch's, numpy's and Python's own generators stand: from these no part may draw."""
    return torch.get_rng_state().numpy().tobytes(), pickle.dumps(np.random.get_state()), random.getstate()
