"""Which fit of an association codes are of, and codes of one fit as those of another.

An association that is fitted to a stream decodes by what it was fitted to: the codes of two learners mean the
same only where the digests of their fits are equal.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

import torch
from torch import Tensor

from streamlearner.associations.contract import Association
from streamlearner.memory.reservoir import RecollectionMemory
from streamlearner.merging.shards import Codes, Recoded

PROBES = 1_024
"""Levels of a symbol that are decoded for a digest, at most, and random codes beside them."""
SAMPLE = 64
"""Recollections of each learner by which fits are compared."""


@torch.no_grad()
def fit_digest(association: Association) -> str:
    """SHA-256 of what chosen codes decode to: each level of each symbol, and random ones. What was met since
    the fit does not change it, as it does not change what codes mean."""
    radices = torch.tensor(association.radices)
    chosen = torch.Generator().manual_seed(len(radices))
    levels = torch.arange(min(PROBES, int(radices.max())))[:, None]
    drawn = (torch.rand(SAMPLE, len(radices), generator=chosen) * radices).long()
    decoded = association.decode(torch.cat([levels % radices, drawn]))
    return hashlib.sha256(repr(association.radices).encode() + decoded.numpy().tobytes()).hexdigest()


@torch.no_grad()
def recode(memory: RecollectionMemory, *, of: Association, by: Association) -> Recoded:
    """Encodes a memory's codes anew. The memory holds no more bits than before: where codes grow, some
    leave."""
    counted = Recoded()

    def translate(symbols: Tensor) -> Tensor:
        nonlocal counted
        recollected = of.decode(symbols)
        coded = by.encode(recollected)
        counted = counted.plus(Recoded(len(symbols), float((by.decode(coded) - recollected).abs().mean())))
        return coded

    memory.recode(by.radices, translate)
    return counted


def best_fit(shards: Sequence[Codes], generator: torch.Generator) -> Association:
    """Of the fits of these learners the one by which the codes of all are encoded anew with least distortion:
    each learner counts by what it saw."""
    by_digest = {fit_digest(shard.association): shard.association for shard in reversed(shards)}
    if len(by_digest) == 1:
        return shards[0].association
    samples = [(shard, shard.memory.sample(SAMPLE, generator).symbols) for shard in shards]
    return min(by_digest.values(), key=lambda fit: _distortion(samples, fit))


@torch.no_grad()
def _distortion(samples: Sequence[tuple[Codes, Tensor]], fit: Association) -> float:
    found = []
    for shard, symbols in samples:
        if len(symbols) and shard.association is not fit:
            recollected = shard.association.decode(symbols)
            difference = (fit.decode(fit.encode(recollected)) - recollected).abs().mean()
            found.append(shard.memory.seen * float(difference))
    return math.fsum(found)
