"""A small network that corrects decoded images, trained online, for the least mean absolute error."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from streamlearner.networks.adam import Adam

_LEAK = 0.01
_AVERAGE_WEIGHT = 0.005
_PATIENCE = 300  # steps before the learning rate falls, then with the square root of their number
_LEAST_RATE = 0.1  # as a fraction of the first: it never stops learning; MNIST, 192 bits: error 3 % lower


class Correction(nn.Module):
    """One hidden layer (ReLU) from the components of an image, each of unit variance, to what is added to the
    image that they reconstruct linearly. So it can learn what a linear decoder cannot: paper is white, ink is
    dark, strokes are connected. (From the linear image itself it learned a third as fast: components of small
    variance hardly show there.)

    The loss is the mean absolute error, whose optimum is the median; Adam, with a learning rate that falls to
    a tenth. An exponential moving average of the weights is used to correct. It starts as no correction at
    all.
    """

    def __init__(
        self,
        *,
        components: int,
        values: int,
        hidden: int,
        generator: torch.Generator,
        learning_rate: float = 2e-3,
    ) -> None:
        """`components` and `values` of an image, `hidden` units; `generator` draws the initial weights, and
        nothing later."""
        super().__init__()
        self.learning_rate = learning_rate
        spread = math.sqrt(1.0 / components)
        self.hidden_weight = nn.Parameter(torch.randn(components, hidden, generator=generator) * spread)
        self.hidden_bias = nn.Parameter(torch.zeros(hidden))
        self.output_weight = nn.Parameter(torch.zeros(hidden, values))
        self.output_bias = nn.Parameter(torch.zeros(values))
        self._reset()

    def _reset(self) -> None:
        """The averages start at the present weights, the optimiser has taken no step."""
        for number, weight in enumerate(self._weights()):
            self.register_buffer(f"average_{number}", weight.detach().clone())
        count = sum(weight.numel() for weight in self._weights())
        self.adam = Adam(count=count, beta2=0.99, device=self.output_weight.device)

    @torch.no_grad()
    def forward(self, components: Tensor, decoded: Tensor) -> Tensor:
        """Images [n, values] in [0, 1] from `components` [n, c], which linearly reconstruct `decoded`
        [n, values]."""
        return corrected(components, decoded, *self._averages()).clamp_(0.0, 1.0)

    def learn(self, components: Tensor, decoded: Tensor, inputs: Tensor) -> None:
        """One step that brings the correction of `decoded` [n, values] nearer to `inputs` [n, values]
        in [0, 1]."""
        weights = self._weights()
        with torch.enable_grad():
            found = corrected(components, decoded, *weights)
            inside = found.clamp(0.0, 1.0)
            # outside [0, 1] a little of the gradient is kept, so that a pixel can return
            loss = (inside + _LEAK * (found - inside) - inputs).abs().mean()
            self._step(torch.autograd.grad(loss, weights))

    @torch.no_grad()
    def change_basis(self, basis: Tensor) -> None:
        """Continues with other components: [n, new] @ `basis` [new, old] are the old ones.

        Averages and optimiser start again from the averaged weights, as the basis of the former is gone.
        """
        hidden_weight, hidden_bias, output_weight, output_bias = self._averages()
        if self.adam.steps:
            hidden_weight = basis @ hidden_weight
        else:  # still initial weights: the prior's components may be unrelated to the new ones
            kept = torch.arange(len(basis), device=hidden_weight.device) % len(hidden_weight)
            hidden_weight = hidden_weight[kept] * math.sqrt(len(hidden_weight) / len(basis))
        self.hidden_weight = nn.Parameter(hidden_weight)
        for weight, average in (
            (self.hidden_bias, hidden_bias),
            (self.output_weight, output_weight),
            (self.output_bias, output_bias),
        ):
            weight.copy_(average)
        self._reset()

    def _weights(self) -> list[nn.Parameter]:
        return [self.hidden_weight, self.hidden_bias, self.output_weight, self.output_bias]

    def _averages(self) -> list[Tensor]:
        return [self.get_buffer(f"average_{number}") for number in range(len(self._weights()))]

    @torch.no_grad()
    def _step(self, gradients: tuple[Tensor, ...]) -> None:
        weights, number = self._weights(), int(self.adam.steps) + 1
        rate = self.learning_rate * max(_LEAST_RATE, (1.0 + number / _PATIENCE) ** -0.5)
        self.adam.step(weights, gradients, learning_rate=rate)
        newest = max(_AVERAGE_WEIGHT, 1.0 / number)  # in the first steps the plain mean of all
        for weight, average in zip(weights, self._averages(), strict=True):
            average.lerp_(weight, newest)

    def _load_from_state_dict(  # torch's own signature
        self, state_dict: dict[str, Any], prefix: str, *rest: Any
    ) -> None:
        """Takes over the shapes of the loaded state, which may have another number of components."""
        found = state_dict.get(prefix + "hidden_weight")
        if found is not None and found.shape != self.hidden_weight.shape:
            self.hidden_weight = nn.Parameter(torch.empty_like(found, device=self.output_weight.device))
            self._reset()
        super()._load_from_state_dict(state_dict, prefix, *rest)


def corrected(
    components: Tensor,
    decoded: Tensor,
    hidden_weight: Tensor,
    hidden_bias: Tensor,
    output_weight: Tensor,
    output_bias: Tensor,
) -> Tensor:
    """`decoded` [n, values] plus the output of the hidden layer for `components` [n, c]."""
    hidden = torch.addmm(hidden_bias, components, hidden_weight).relu()
    return decoded + torch.addmm(output_bias, hidden, output_weight)
