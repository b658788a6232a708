"""The generator: what denoising is for, and that without it nothing is drawn for it."""

from __future__ import annotations

import torch
from torch import Tensor

from streamlearner.generative.variational_autoencoder import VariationalAutoencoder


def trained(denoising: float, *, steps: int = 1_000) -> VariationalAutoencoder:
    torch.manual_seed(0)
    autoencoder = VariationalAutoencoder(
        input_shape=(1, 8, 8), hidden=64, latents=8, learning_rate=5e-3, denoising=denoising
    )
    rng = torch.Generator().manual_seed(1)
    for _ in range(steps):
        autoencoder.learn(bars(20, rng), rng=rng)
    return autoencoder


def bars(count: int, rng: torch.Generator) -> Tensor:
    """Bright rows or columns, [count, 1, 8, 8]."""
    found = torch.zeros(count, 1, 8, 8)
    for image, place in zip(found, torch.randint(16, (count,), generator=rng).tolist(), strict=True):
        image[:, place % 8, :] += float(place < 8)
        image[:, :, place % 8] += float(place >= 8)
    return found


def test_with_denoising_harmed_inputs_are_seen_more_as_they_were_and_clean_ones_as_well() -> None:
    plain, denoising = trained(0.0), trained(0.3)
    rng = torch.Generator().manual_seed(2)
    clean = bars(200, rng)
    noisy = clean + 0.5 * torch.randn(clean.shape, generator=rng)
    gaps = clean * (torch.rand(clean.shape, generator=rng) > 0.4)
    for harmed in (noisy, noisy.clamp(0.0, 1.0), gaps):
        errors = [float((each.reconstruct(harmed) - clean).abs().mean()) for each in (plain, denoising)]
        assert errors[1] < 0.8 * errors[0], errors
    assert float((denoising.reconstruct(clean) - clean).abs().mean()) < 0.01


def test_without_denoising_a_step_draws_the_latents_alone() -> None:
    autoencoder = trained(0.0, steps=0)
    rng, latents = (torch.Generator().manual_seed(3) for _ in range(2))
    autoencoder.learn(torch.zeros(5, 1, 8, 8), rng=rng)
    torch.randn(5, 8, generator=latents)
    assert torch.equal(rng.get_state(), latents.get_state())
