"""A variational autoencoder that generates and reconstructs inputs, with its own optimiser."""

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
    """Fully connected encoder and decoder with one hidden layer each and `latents` normal variables (Kingma
    and Welling, 2014). The likelihood of images [n, C, H, W] in [0, 1] is Bernoulli; feature vectors [n, d]
    of any scale are standardised by their running mean and variance, and have a normal likelihood of variance
    1.

    With `denoising` the encoder is trained on corrupted inputs (Im et al., "Denoising Criterion for
    Variational Auto-encoding Framework", 2017): a fraction of the values is set to black, or to the mean, and
    normal noise is added. The fraction, and the standard deviation of the noise, are drawn for each input
    uniformly from 0 to `denoising`, the latter in units of the range of a pixel or of the deviation of a
    feature. Half of the images are then clipped to [0, 1], as a camera does.
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

    def update_input_statistics(self, inputs: Tensor) -> None:
        """Updates the running mean and variance of feature vectors [n, d]; call it before they are
        learned."""
        if self.scale is not None:
            self.scale.update(inputs)

    def learn(self, inputs: Tensor, *, rng: torch.Generator, rate_factor: float = 1.0) -> float:
        """One Adam step on the negative evidence lower bound of `inputs` [n, *input_shape]. Returns its mean
        before the step. `rate_factor` multiplies the learning rate."""
        values = self._values(inputs)
        mean, log_variance = self.encoder(self._corrupted(values, rng)).chunk(2, dim=1)
        log_variance = log_variance.clamp(-10.0, 10.0)
        noise = torch.randn(mean.shape, generator=rng)
        reconstructed = self.decoder(mean + noise * (0.5 * log_variance).exp())
        if self.scale is None:
            error = F.binary_cross_entropy_with_logits(reconstructed, values, reduction="none").sum(1)
        else:
            error = 0.5 * (reconstructed - values).square().sum(1)
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1.0 - log_variance).sum(1)
        loss = (error + divergence).mean()
        gradients = torch.autograd.grad(loss, self._learned())
        self.adam.step(self._learned(), gradients, learning_rate=rate_factor * self.learning_rate)
        return float(loss.detach())

    @torch.no_grad()
    def reconstruct(self, inputs: Tensor) -> Tensor:
        """Inputs [n, *input_shape] decoded from the means of their latents: with less noise, without
        occlusion."""
        mean, _ = self.encoder(self._values(inputs)).chunk(2, dim=1)
        return self._decoded(mean)

    @torch.no_grad()
    def generate(self, count: int, *, rng: torch.Generator) -> Tensor:
        """`count` inputs [count, *input_shape] decoded from latents drawn from the prior."""
        return self._decoded(torch.randn(count, self.latents, generator=rng))

    @torch.no_grad()
    def error(self, inputs: Tensor) -> Tensor:
        """Mean absolute error of the reconstruction of each input, [n]; of features in standard
        deviations."""
        values = self._values(inputs)
        reconstructed = self.decoder(self.encoder(values).chunk(2, dim=1)[0])
        reconstructed = reconstructed.sigmoid() if self.scale is None else reconstructed
        error: Tensor = (reconstructed - values).abs().mean(1)
        return error

    def _corrupted(self, values: Tensor, rng: torch.Generator) -> Tensor:
        if not self.denoising:
            return values
        missing, noise_deviations = self.denoising * torch.rand(2, len(values), 1, generator=rng)
        kept = torch.rand(values.shape, generator=rng) >= missing
        noisy: Tensor = values * kept + noise_deviations * torch.randn(values.shape, generator=rng)
        if self.scale is not None:
            return noisy
        clipped = torch.rand(len(values), 1, generator=rng) < 0.5
        return torch.where(clipped, noisy.clamp(0.0, 1.0), noisy)

    def _values(self, inputs: Tensor) -> Tensor:
        flat = inputs.flatten(1)
        return flat if self.scale is None else self.scale(flat)

    def _decoded(self, latents: Tensor) -> Tensor:
        reconstructed: Tensor = self.decoder(latents)
        if self.scale is None:
            return reconstructed.sigmoid().view(-1, *self.input_shape)
        return self.scale.mean + reconstructed * self.scale.variance.sqrt()

    def _learned(self) -> list[nn.Parameter]:
        return [*self.encoder.parameters(), *self.decoder.parameters()]
