"""The names of those who can answer for a method that has a network."""

from __future__ import annotations

from collections.abc import Mapping

STATISTICS, AVERAGED, LIVE, BLEND = "statistics", "hippocampus", "live", "blend"
NEAREST = "nearest"
"""Class sums and a discriminant; the averaged weights; the network that learns; the product of the
probabilities of the first two; the nearest recollections."""
ANSWERERS = (STATISTICS, AVERAGED, LIVE, BLEND, NEAREST)
NETWORKS: Mapping[str, tuple[str, ...]] = {
    STATISTICS: (), AVERAGED: (AVERAGED,), LIVE: (LIVE,), BLEND: (AVERAGED,), NEAREST: ()
}  # fmt: skip
"""Whose logits the answer of each takes."""
ALL, PART = 1, 2
"""Of what was seen, that among which the nearest are looked for."""
