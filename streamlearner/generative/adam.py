"""Adam with its moments in buffers, so that an optimiser is part of a module's state."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

LONGEST_GRADIENT = 100.0
"""A longer one is shortened to it, one that is not finite is dropped: one absurd example ends nothing."""


class Adam(nn.Module):
    """Adaptive moments (Kingma and Ba, 2015) for parameters of `count` values in total. `inertia` and
    `scale_inertia` are the paper's beta 1 and 2."""

    moment: Tensor
    scale: Tensor
    updates: Tensor

    def __init__(
        self, *, count: int, learning_rate: float, inertia: float = 0.9, scale_inertia: float = 0.999
    ) -> None:
        super().__init__()
        self.learning_rate = learning_rate
        self.inertia = inertia
        self.scale_inertia = scale_inertia
        self.register_buffer("moment", torch.zeros(count))
        self.register_buffer("scale", torch.zeros(count))
        self.register_buffer("updates", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def step(self, parameters: Sequence[Tensor], gradients: Sequence[Tensor], *, pace: float = 1.0) -> None:
        """Moves `parameters` against their `gradients`, by `pace` of the step size; both in the same order
        each time. A value whose gradients were all 0 stays as it is, bit for bit."""
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        length = float(flat.norm())
        if not length < float("inf"):
            return
        flat = flat * min(1.0, LONGEST_GRADIENT / (length or 1.0))
        self.updates += 1
        self.moment.lerp_(flat, 1.0 - self.inertia)
        self.scale.mul_(self.scale_inertia).addcmul_(flat, flat, value=1.0 - self.scale_inertia)
        done = int(self.updates)
        rate = pace * self.learning_rate / (1.0 - self.inertia**done)
        change = self.moment / (self.scale / (1.0 - self.scale_inertia**done)).sqrt().add_(1e-8)
        parts = torch.split(change, [parameter.numel() for parameter in parameters])
        for parameter, part in zip(parameters, parts, strict=True):
            parameter.sub_(part.view_as(parameter), alpha=rate)
