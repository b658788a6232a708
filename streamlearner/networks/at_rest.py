"""Networks that nothing changes any more: what half precision rounds in each pass is rounded once."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import nn

from streamlearner.networks.base import Network
from streamlearner.networks.frozen import frozen_copy

AnyModule = TypeVar("AnyModule", bound=nn.Module)
ROUNDED = (nn.Conv2d, nn.Linear)
"""Layers whose weights autocast rounds to bfloat16, and nothing else reads them."""
KNOWN = ("torch.", "torchvision.", "streamlearner.")
"""What stands in a body may be rounded: a user's own module may do anything with its layers' weights."""


def at_rest(module: AnyModule) -> AnyModule:
    """The same module, whose networks answer the same to the bit, in less time where they do so in half
    precision: of a LeNet and one input 0.66 ms of CPU, where autocast takes 0.96 (64 inputs: 4.5 and 5.3). It
    takes bfloat16 copies of the weights; these themselves stay, to be exported or loaded."""
    for part in module.modules():
        if isinstance(part, Network) and part.half_precision and _is_known(part.body):
            part.rounded = [_rounded(part.body)]
    return module


def _is_known(body: nn.Module) -> bool:
    return all(type(part).__module__.startswith(KNOWN) for part in body.modules())


def _rounded(body: nn.Module) -> nn.Module:
    """With everything else of the body's own."""
    shared = {id(tensor): tensor for tensor in (*body.parameters(), *body.buffers())}
    for layer in body.modules():
        if type(layer) in ROUNDED:
            for weight in layer.parameters(recurse=False):
                shared[id(weight)] = nn.Parameter(weight.to(torch.bfloat16), requires_grad=False)
    made: nn.Module = frozen_copy(body, sharing=shared)
    return made
