"""Figures over a span of time, and how several spans become one."""

from __future__ import annotations

import json
import zlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

Figures = Mapping[str, float]
OF_CLASS = "retention/"
"""How the name of a figure of one class begins; the rest is its label."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Of the `seconds` from `start_s` (seconds since 1970): `means` over them, `highs` in them, and `counts`
    of what happened. A figure that was not known is missing."""

    start_s: float
    seconds: float
    means: Figures = field(default_factory=dict)
    highs: Figures = field(default_factory=dict)
    counts: Figures = field(default_factory=dict)

    def without(self, names: Collection[str]) -> Sample:
        """The same but for the means of these names."""
        means = {each: value for each, value in self.means.items() if each not in names}
        return replace(self, means=means)

    def to_bytes(self) -> bytes:
        """All but the span, to six digits."""
        parts = [{name: _rounded(value) for name, value in part.items()} for part in self._parts]
        return zlib.compress(json.dumps(parts, separators=(",", ":")).encode(), 6)

    @classmethod
    def from_bytes(cls, start_s: float, seconds: float, data: bytes) -> Sample:
        """Raises ValueError for what is no sample."""
        try:
            means, highs, counts = json.loads(zlib.decompress(data))
        except zlib.error as error:
            raise ValueError(str(error)) from error
        return cls(start_s, seconds, means, highs, counts)

    @property
    def _parts(self) -> tuple[Figures, Figures, Figures]:
        return self.means, self.highs, self.counts


def decoded(rows: Iterable[tuple[float, float, bytes]]) -> list[Sample]:
    """Of start, seconds and body each; what a bad disk altered is left out."""
    found = []
    for start_s, seconds, body in rows:
        with suppress(ValueError):
            found.append(Sample.from_bytes(start_s, seconds, body))
    return found


def combined(samples: Sequence[Sample], *, start_s: float | None = None) -> Sample:
    """One for the time of all of them, of which there is at least one; from `start_s`, or the first."""
    start_s = min(one.start_s for one in samples) if start_s is None else start_s
    counts: dict[str, float] = {}
    highs: dict[str, float] = {}
    sums: dict[str, float] = {}
    weights: dict[str, float] = {}
    for one in samples:
        for name, value in one.counts.items():
            counts[name] = counts.get(name, 0.0) + value
        for name, value in one.highs.items():
            highs[name] = max(highs.get(name, value), value)
        for name, value in one.means.items():
            sums[name] = sums.get(name, 0.0) + value * one.seconds
            weights[name] = weights.get(name, 0.0) + one.seconds
    means = {name: total / weights[name] for name, total in sums.items() if weights[name]}
    return Sample(start_s, sum(one.seconds for one in samples), means, highs, counts)


def _rounded(value: float) -> float:
    short = float(f"{value:.6g}")
    return int(short) if short.is_integer() else short
