"""What the association tests share: streams, small associations, and how well they do."""

from __future__ import annotations

import torch
from sklearn.datasets import load_digits
from torch import Tensor

from streamlearner.associations.contract import Association
from streamlearner.associations.gumbel import GumbelAssociation
from streamlearner.associations.karhunen_loeve import KarhunenLoeveAssociation
from streamlearner.associations.transform import TransformAssociation
from streamlearner.associations.trellis import TrellisAssociation
from streamlearner.testing.associations import follow

__all__ = [
    "SHAPES",
    "digits",
    "distortion",
    "follow",
    "gumbel",
    "inputs_of",
    "textures",
    "transform",
    "trellis",
]

SHAPES = [(1, 28, 28), (3, 32, 32), (2, 9, 14), (1, 5, 5), (3, 1, 1), (64,), (1,)]


def digits(count: int = 1200) -> Tensor:
    """Handwritten digits [count, 1, 16, 16] in [0, 1], sorted by class as a class-incremental stream is."""
    data = load_digits()
    images = torch.tensor(data.images[:count], dtype=torch.float32).unsqueeze(1) / 16.0
    images = torch.nn.functional.interpolate(images, size=(16, 16), mode="bilinear")
    return images[torch.tensor(data.target[:count]).argsort(stable=True)]


def inputs_of(shape: tuple[int, ...], count: int = 40, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    if len(shape) == 1:
        return torch.randn(count, *shape, generator=generator)
    smooth = torch.rand(count, *[min(s, 4) for s in shape], generator=generator)
    return torch.nn.functional.interpolate(smooth, size=shape[1:]).expand(count, *shape).contiguous()


def distortion(association: Association, inputs: Tensor) -> float:
    """Mean squared error over variance: 1 is no better than the mean."""
    error = (association.decode(association.encode(inputs)) - inputs).square().mean()
    return float(error / (inputs - inputs.mean(0)).square().mean())


def transform(shape: tuple[int, ...], bits: int, **settings: int) -> TransformAssociation:
    return TransformAssociation(
        input_shape=shape,
        code_bits=bits,
        most_symbol_bits=settings.get("most_symbol_bits", 5),
        thumbnail_pixels=settings.get("thumbnail_pixels", 0),
        first_fit_examples=20,
    )


def gumbel(shape: tuple[int, ...], *, seed: int = 0, steps: int = 1) -> GumbelAssociation:
    generator = torch.Generator().manual_seed(seed)
    return GumbelAssociation(input_shape=shape, variables=16, levels=4, generator=generator, steps=steps)


def trellis(shape: tuple[int, ...], bits: int, *, growth: float = 3.0) -> TrellisAssociation:
    return TrellisAssociation(input_shape=shape, code_bits=bits, first_fit_examples=20, growth=growth)


def karhunen_loeve(
    shape: tuple[int, ...], bits: int, *, seed: int = 0, hidden: int = 64
) -> KarhunenLoeveAssociation:
    generator = torch.Generator().manual_seed(seed)
    return KarhunenLoeveAssociation(input_shape=shape, code_bits=bits, generator=generator, hidden=hidden)


def textures(count: int, *, seed: int = 0) -> Tensor:
    """Smooth colour images [count, 3, 16, 16] in [0, 1]; channels and frequencies vary unlike the prior."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randn(count, 3, 5, 5, generator=generator) * torch.tensor([1.0, 0.6, 0.3])[:, None, None]
    images = torch.nn.functional.interpolate(coarse, size=(16, 16), mode="bilinear")
    mixed = torch.einsum("dc,nchw->ndhw", torch.tensor([[1.0, 1, 0], [1, 0, 1], [1, -1, 0.5]]), images)
    return (0.5 + 0.15 * mixed).clamp(0.0, 1.0)
