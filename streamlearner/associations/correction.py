"""A correction of decoded images, learned online, that takes them nearest in mean absolute error."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from streamlearner.networks.adam import Adam

_LEAK = 0.01
_AVERAGING_PACE = 0.005
_PATIENCE = 300  # steps before the step size falls, then as the square root of their number
_LEAST_SHARE = 0.1  # of the first step size, so that it learns for ever; MNIST, 192 bits: error 3 % lower


class Correction(nn.Module):
    """What a linear decoder cannot know: that paper is white, ink is dark, and strokes are connected.

    One hidden layer between the components of an image, each of variance 1, and what is added to the image
    that they add up to. (From that image itself it learned a third as fast: its weak components count little
    there.) The loss is the mean absolute error, whose optimum is the median; Adam (Kingma and Ba, 2015), its
    step size falling to a tenth. What corrects is a running average of the weights.

    It starts as no correction at all. Where its owner changes the components, `turn` goes on from there.
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
        """`components` and `values` of an image, `hidden` units; `generator` draws the initial weights and
        nothing after."""
        super().__init__()
        self.learning_rate = learning_rate
        spread = math.sqrt(1.0 / components)
        self.into = nn.Parameter(torch.randn(components, hidden, generator=generator) * spread)
        self.threshold = nn.Parameter(torch.zeros(hidden))
        self.out = nn.Parameter(torch.zeros(hidden, values))
        self.level = nn.Parameter(torch.zeros(values))
        self._remember()

    def _remember(self) -> None:
        """Averages of the weights as they are, and an optimiser that has taken no step yet."""
        for number, weight in enumerate(self._weights()):
            self.register_buffer(f"average_{number}", weight.detach().clone())
        count = sum(weight.numel() for weight in self._weights())
        self.adam = Adam(count=count, beta2=0.99, device=self.out.device)

    @torch.no_grad()
    def forward(self, components: Tensor, decoded: Tensor) -> Tensor:
        """Images [n, values] in [0, 1] of `components` [n, c], which add up to `decoded` [n, values]."""
        return corrected(components, decoded, *self._averages()).clamp_(0.0, 1.0)

    def learn(self, components: Tensor, decoded: Tensor, inputs: Tensor) -> None:
        """One step from `decoded` [n, values] towards `inputs` [n, values] in [0, 1]."""
        weights = self._weights()
        with torch.enable_grad():
            found = corrected(components, decoded, *weights)
            inside = found.clamp(0.0, 1.0)
            # outside the range a little of the error is kept, so that a pixel can come back
            loss = (inside + _LEAK * (found - inside) - inputs).abs().mean()
            self._step(torch.autograd.grad(loss, weights))

    @torch.no_grad()
    def turn(self, turn: Tensor) -> None:
        """Goes on with other components: `turn` [new, old] makes old ones of new ones, [n, new] @ turn.

        Averages begin again at what answered, and so do the moments, whose coordinates are gone.
        """
        into, threshold, out, level = self._averages()
        if self.adam.steps:
            into = turn @ into
        else:  # chance for chance: a prior's components may have nothing in common with those of a stream
            kept = torch.arange(len(turn), device=into.device) % len(into)
            into = into[kept] * math.sqrt(len(into) / len(turn))
        self.into = nn.Parameter(into)
        for weight, average in ((self.threshold, threshold), (self.out, out), (self.level, level)):
            weight.copy_(average)
        self._remember()

    def _weights(self) -> list[nn.Parameter]:
        return [self.into, self.threshold, self.out, self.level]

    def _averages(self) -> list[Tensor]:
        return [self.get_buffer(f"average_{number}") for number in range(len(self._weights()))]

    @torch.no_grad()
    def _step(self, gradients: tuple[Tensor, ...]) -> None:
        weights, number = self._weights(), int(self.adam.steps) + 1
        rate = self.learning_rate * max(_LEAST_SHARE, (1.0 + number / _PATIENCE) ** -0.5)
        self.adam.step(weights, gradients, learning_rate=rate)
        newest = max(_AVERAGING_PACE, 1.0 / number)  # at first, the mean of all
        for weight, average in zip(weights, self._averages(), strict=True):
            average.lerp_(weight, newest)

    def _load_from_state_dict(  # torch's own signature
        self, state_dict: dict[str, Any], prefix: str, *rest: Any
    ) -> None:
        """Take the shapes of the state that is loaded: it may have other components."""
        found = state_dict.get(prefix + "into")
        if found is not None and found.shape != self.into.shape:
            self.into = nn.Parameter(torch.empty_like(found, device=self.out.device))
            self._remember()
        super()._load_from_state_dict(state_dict, prefix, *rest)


def corrected(
    components: Tensor, decoded: Tensor, into: Tensor, threshold: Tensor, out: Tensor, level: Tensor
) -> Tensor:
    """`decoded` [n, values] with what the hidden layer adds."""
    hidden = torch.addmm(threshold, components, into).relu()
    return decoded + torch.addmm(level, hidden, out)
