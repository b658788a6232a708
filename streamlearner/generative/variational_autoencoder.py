"""A variational autoencoder that generates and reconstructs inputs, and carries its own optimiser."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from streamlearner.networks.adam import Adam
from streamlearner.networks.base import Standardisation

LONGEST_GRADIENT = 100.0
"""See `Adam.max_norm`."""


class VariationalAutoencoder(nn.Module):
    """Fully connected encoder and decoder with one hidden layer and `latents` normal variables (Kingma and
    Welling, 2014). Images [n, C, H, W] in [0, 1] are Bernoulli means; feature vectors [n, d] of any scale are
    standardised by what was met, and normal with variance 1 there.

    With `denoising` the encoder learns to see through noise and gaps (as Im et al., "Denoising Criterion for
    Variational Auto-encoding Framework", 2017): each input comes to it with a share of its values missing and
    with normal noise. The share and the deviation of the noise are drawn from 0 to `denoising`, the latter in
    units of a pixel's range, or of a feature's deviation; what is missing is black, or the mean. One image in
    two is then cut off at black and white, as a camera's are.
    """

    def __init__(
        self,
        *,
        input_shape: Sequence[int],
        hidden: int,
        latents: int,
        learning_rate: float,
        denoising: float = 0.0,
    ) -> None:
        super().__init__()
        self.learning_rate = learning_rate
        self.denoising = denoising
        self.input_shape = tuple(input_shape)
        self.latents = latents
        values = math.prod(self.input_shape)
        self.scale = Standardisation(features=values) if len(self.input_shape) == 1 else None
        self.encoder = nn.Sequential(nn.Linear(values, hidden), nn.ReLU(), nn.Linear(hidden, 2 * latents))
        self.decoder = nn.Sequential(nn.Linear(latents, hidden), nn.ReLU(), nn.Linear(hidden, values))
        count = sum(parameter.numel() for parameter in self._learned())
        self.adam = Adam(count=count, max_norm=LONGEST_GRADIENT)

    def meet(self, inputs: Tensor) -> None:
        """Takes note of the scale of feature vectors, before they are learned."""
        if self.scale is not None:
            self.scale.meet(inputs)

    def learn(self, inputs: Tensor, *, generator: torch.Generator, pace: float = 1.0) -> float:
        """One step down the negative evidence bound of `inputs` [n, *input_shape], by `pace` of the step
        size; its mean before."""
        values = self._values(inputs)
        mean, log_variance = self.encoder(self._harmed(values, generator)).chunk(2, dim=1)
        log_variance = log_variance.clamp(-10.0, 10.0)
        noise = torch.randn(mean.shape, generator=generator)
        shown = self.decoder(mean + noise * (0.5 * log_variance).exp())
        if self.scale is None:
            error = F.binary_cross_entropy_with_logits(shown, values, reduction="none").sum(1)
        else:
            error = 0.5 * (shown - values).square().sum(1)
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1.0 - log_variance).sum(1)
        loss = (error + divergence).mean()
        gradients = torch.autograd.grad(loss, self._learned())
        self.adam.step(self._learned(), gradients, learning_rate=pace * self.learning_rate)
        return float(loss.detach())

    @torch.no_grad()
    def reconstruct(self, inputs: Tensor) -> Tensor:
        """The inputs [n, *input_shape] as the means of their latents show them: less noise, no occlusion."""
        mean, _ = self.encoder(self._values(inputs)).chunk(2, dim=1)
        return self._shown(mean)

    @torch.no_grad()
    def generate(self, count: int, *, generator: torch.Generator) -> Tensor:
        """`count` inputs drawn from what was learned, [count, *input_shape]."""
        return self._shown(torch.randn(count, self.latents, generator=generator))

    @torch.no_grad()
    def error(self, inputs: Tensor) -> Tensor:
        """Mean absolute error of the reconstruction of each input, [n]."""
        values = self._values(inputs)
        shown = self.decoder(self.encoder(values).chunk(2, dim=1)[0])
        shown = shown.sigmoid() if self.scale is None else shown
        error: Tensor = (shown - values).abs().mean(1)
        return error

    def _harmed(self, values: Tensor, generator: torch.Generator) -> Tensor:
        if not self.denoising:
            return values
        missing, deviations = self.denoising * torch.rand(2, len(values), 1, generator=generator)
        held = torch.rand(values.shape, generator=generator) >= missing
        found: Tensor = values * held + deviations * torch.randn(values.shape, generator=generator)
        if self.scale is not None:
            return found
        seen = torch.rand(len(values), 1, generator=generator) < 0.5
        return torch.where(seen, found.clamp(0.0, 1.0), found)

    def _values(self, inputs: Tensor) -> Tensor:
        flat = inputs.flatten(1)
        return flat if self.scale is None else self.scale(flat)

    def _shown(self, latents: Tensor) -> Tensor:
        shown: Tensor = self.decoder(latents)
        if self.scale is None:
            return shown.sigmoid().view(-1, *self.input_shape)
        return self.scale.mean + shown * self.scale.variance.sqrt()

    def _learned(self) -> list[nn.Parameter]:
        return [*self.encoder.parameters(), *self.decoder.parameters()]
