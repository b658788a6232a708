"""Adam with its state in buffers, so that a clone or a checkpoint of a module holds its optimiser too."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.optim.adam import adam

from streamlearner.networks.refused_steps import LONGEST_STEP, REFUSED


class Adam(nn.Module):
    """torch's Adam (Kingma and Ba, 2015) for parameters of `count` values in total.

    `exp_avg` and `exp_avg_sq`, float32 [count], are what torch calls so: moving averages of the gradients and
    of their squares, one parameter after the other. `steps`, int64 [], counts the steps taken.
    (`torch.optim.Adam` keeps the same in a dictionary by parameter, which no module's `state_dict` shows.)

    With `max_norm` a gradient longer than that is shortened to it. One that is not finite, or whose square is
    not, is dropped and counted in `REFUSED`: a single absurd example must not end months of learning.
    """

    exp_avg: Tensor
    exp_avg_sq: Tensor
    steps: Tensor

    def __init__(
        self,
        *,
        count: int,
        beta1: float = 0.9,
        beta2: float = 0.999,
        max_norm: float | None = None,
        device: torch.device | None = None,
    ) -> None:
        super().__init__()
        self.beta1 = beta1
        self.beta2 = beta2
        self.max_norm = max_norm
        self.register_buffer("exp_avg", torch.zeros(count, device=device))
        self.register_buffer("exp_avg_sq", torch.zeros(count, device=device))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def step(
        self, parameters: Sequence[Tensor], gradients: Sequence[Tensor], *, learning_rate: float
    ) -> None:
        """Moves `parameters`, float32, in place against their `gradients`; both in the same order each time.

        A value whose gradients were all 0 stays as it is, bit for bit.
        """
        gradient = torch.cat([part.flatten() for part in gradients])
        norm = float(gradient.norm())
        if not norm < LONGEST_STEP:
            REFUSED.add()
            return
        if self.max_norm is not None and norm > self.max_norm:
            gradient *= self.max_norm / norm
        # all parameters as one: for small networks, half the time of one after the other
        values = torch.cat([parameter.flatten() for parameter in parameters])
        self._step(values, gradient, learning_rate=learning_rate)
        parts = torch.split(values, [parameter.numel() for parameter in parameters])
        torch._foreach_copy_(
            list(parameters),
            [part.view_as(parameter) for parameter, part in zip(parameters, parts, strict=True)],
        )

    def _step(self, values: Tensor, gradient: Tensor, *, learning_rate: float) -> None:
        adam(
            [values],
            [gradient],
            [self.exp_avg],
            [self.exp_avg_sq],
            [],
            [self.steps],
            foreach=False,
            amsgrad=False,
            beta1=self.beta1,
            beta2=self.beta2,
            lr=learning_rate,
            weight_decay=0.0,
            eps=1e-8,
            maximize=False,
        )
