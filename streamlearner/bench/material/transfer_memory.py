"""What a student is taught from: images decoded from codes, codes and decoder within one budget of bits."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor

from streamlearner.associations.contract import Association
from streamlearner.associations.gumbel import GumbelAssociation
from streamlearner.associations.lossless import RawAssociation
from streamlearner.associations.transform import TransformAssociation
from streamlearner.memory.reservoir import RecollectionMemory
from streamlearner.networks.base import Network

CHUNK = 500
"""Images decoded or classified at a time."""
BATCH = 50
"""Images that an association learns from at a time."""
LEARNING_RATE = 1e-3
"""Of the autoencoder. With 3e-3 it decoded everything to the mean image at 38 and at 168 variables (seed 0);
with 1e-3 in one of three seeds at 38. Both were measured before the decoder started at the mean."""
FITTED_ON = 10_000
"""Images that the transform's tables are fitted to; they have converged by then."""

AssociationMaker: TypeAlias = Callable[[Tensor, torch.Generator], Association]
"""An association made from images [n, 1, H, W] float32."""


class Recollected(NamedTuple):
    """Decoded images [n, *shape], the bits of their codes, and those of what decodes them."""

    inputs: Tensor
    stored_bits: int
    decoder_bits: int


def fitted_association(*, code_bits: int, thumbnail_pixels: int, most_symbol_bits: int) -> AssociationMaker:
    """Makes transform codes, their tables fitted to the images."""

    def make(images: Tensor, generator: torch.Generator) -> Association:
        association = TransformAssociation(
            input_shape=tuple(images.shape[1:]),
            code_bits=code_bits,
            thumbnail_pixels=thumbnail_pixels,
            most_symbol_bits=most_symbol_bits,
        )
        for batch in torch.split(images[:FITTED_ON], BATCH):
            association.learn(batch, None)
            association = association.renew() or association
        return association

    return make


def deep_association(*, variables: int, passes: int) -> AssociationMaker:
    """Makes the paper's autoencoder, of `variables` of two levels, trained on the images in `passes`
    passes."""

    def make(images: Tensor, generator: torch.Generator) -> Association:
        association = GumbelAssociation(
            input_shape=tuple(images.shape[1:]),
            variables=variables,
            levels=2,
            generator=generator,
            learning_rate=LEARNING_RATE,
        )
        for _ in range(passes):
            for places in torch.split(torch.randperm(len(images), generator=generator), BATCH):
                association.learn(images[places], None)
        return association

    return make


def raw_association(images: Tensor, generator: torch.Generator) -> Association:
    """Stores every byte of an image."""
    return RawAssociation(input_shape=tuple(images.shape[1:]), dtype=torch.uint8)


def decoder_bits(association: Association) -> int:
    """Bits of what decodes: the weights of a decoder (teaching does not need the encoder), or all tables and
    statistics of the transform."""
    if isinstance(association, GumbelAssociation):
        return sum(p.numel() * p.element_size() * 8 for p in association.frozen_decoder.parameters())
    return association.parameter_bits()


@torch.no_grad()
def recollect(
    make: AssociationMaker, *, images: Tensor, budget_bits: int, generator: torch.Generator
) -> Recollected:
    """Stores as many of the `images` [n, *shape] as fit `budget_bits` together with the decoder, and decodes
    them once. No class is stored, since the teacher labels the recollections; a record still has one bit for
    it, which is counted. `generator` is the only source of randomness."""
    association = make(images, generator)
    taken = decoder_bits(association)
    memory = RecollectionMemory(
        budget_bits=budget_bits - taken, radices=association.radices, generator=generator
    )
    for batch in torch.split(images, CHUNK):
        memory.insert(association.encode(batch), torch.zeros(len(batch), dtype=torch.int64))
    codes = memory.contents().symbols
    inputs = torch.cat([association.decode(symbols) for symbols in torch.split(codes, CHUNK)])
    return Recollected(inputs, memory.stored_bits, taken)


@torch.no_grad()
def probabilities(network: Network, inputs: Tensor, *, classes: int) -> Tensor:
    """The network's probabilities [n, classes] for `inputs` [n, *shape]."""
    network.eval()
    return torch.cat([network(chunk)[:, :classes].softmax(1) for chunk in torch.split(inputs, CHUNK)])
