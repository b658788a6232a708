"""Small streams of each kind of input for a method, and what is asked of it; the method under test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from streamlearner.app import make_method
from streamlearner.config.loading import load
from streamlearner.methods.base import DualMemory, Experience
from streamlearner.registry.methods import METHODS

BUDGET_BITS = 300_000
"""Room for 12 raw colour images, the largest input here."""

SETTINGS: dict[str, Any] = {
    "memory.budget_bits": BUDGET_BITS,
    "method.learning_rate": 0.1,
    "method.recollections_per_step": 8,
    "sleep.steps": 5,
    "sleep.batch_size": 8,
}
"""Small sleeps, and room for a few recollections."""


@dataclass(frozen=True)
class Kind:
    """A kind of raw input, with class means to tell classes by: example = mean of its class + noise.

    `contrast`: which part of the range of bytes lies between black and white.
    """

    shape: tuple[int, ...]
    dtype: torch.dtype
    contrast: float = 0.5

    def mean(self, label: int) -> Tensor:
        """Coarse squares of black and white, or zeros and ones."""
        if len(self.shape) == 1:
            return torch.rand(self.shape, generator=rng(900 + label)).round()
        squares = torch.rand(1, self.shape[0], 4, 4, generator=rng(900 + label)).round()
        return F.interpolate(squares, self.shape[1:])[0]

    def inputs(self, labels: Sequence[int], *, seed: int) -> Tensor:
        """[n, *shape], the same for the same seed; two calls with different seeds share no example."""
        noise = torch.randn(len(labels), *self.shape, generator=rng(seed))
        values = torch.stack([self.mean(label) for label in labels]) + 0.25 * noise
        if self.dtype == torch.float32:
            return values
        black, white = 128 * (1 - self.contrast), 128 * (1 + self.contrast)
        return (values * (white - black) + black).clamp(0, 255).round().to(torch.uint8)

    def experience(
        self, labels: Sequence[int], *, seed: int, tasks: Sequence[int] | None = None
    ) -> Experience:
        named = None if tasks is None else torch.tensor(tasks)
        return Experience(inputs=self.inputs(labels, seed=seed), labels=torch.tensor(labels), tasks=named)


KINDS = {
    "tiny images": Kind((1, 8, 8), torch.uint8),
    "grey images": Kind((1, 28, 28), torch.uint8),
    "colour images": Kind((3, 32, 32), torch.uint8),
    "features": Kind((12,), torch.float32),
}
TINY = KINDS["tiny images"]


def rng(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@dataclass(frozen=True)
class Subject:
    """A method under test: `settings` name it, over those of `SETTINGS`. `varies`: it is a method again, with
    other settings than its own; what is promised for a method with default settings alone is left out."""

    settings: Mapping[str, Any]
    varies: bool = False
    keeps_raw_inputs: bool = False

    @property
    def kind(self) -> type[DualMemory]:
        found: type[DualMemory] = METHODS.find(self.settings["method.name"]).load()
        return found

    def make(self, kind: Kind = TINY, **more: Any) -> DualMemory:
        """A fresh method; in `more`, `__` nests: memory__budget_bits=4000."""
        changed = {name.replace("__", "."): value for name, value in more.items()}
        loaded = load(path=None, settings=SETTINGS | dict(self.settings) | changed, environ={})
        return make_method(loaded, input_shape=kind.shape, dtype=kind.dtype)


def observe(
    method: DualMemory,
    steps: int,
    *,
    kind: Kind = TINY,
    classes: int = 4,
    size: int = 10,
    seed: int = 0,
    tasks: int = 0,
    first: int = 0,
) -> None:
    """A stable stream of `classes` in equal parts, from its step `first` on; with `tasks`, class k belongs to
    task k mod tasks."""
    for step in range(first, first + steps):
        labels = torch.randint(classes, (size,), generator=rng(seed * 1000 + step)).tolist()
        named = [label % tasks for label in labels] if tasks else None
        method.observe(kind.experience(labels, seed=seed * 1000 + step, tasks=named))


def sleep(method: DualMemory) -> DualMemory:
    """One whole sleep; the candidate, not yet adopted."""
    candidate = method.clone()
    for _ in method.consolidate(candidate):
        pass
    return candidate


QUESTIONS = TINY.inputs([0, 1, 2, 3] * 3, seed=5)


def heard(method: DualMemory) -> Tensor:
    """What it answers to the same questions, always."""
    return method.predict_proba(QUESTIONS, None)


def accuracy(method: DualMemory, kind: Kind, classes: int) -> float:
    """On fresh examples, as many of each class."""
    labels = list(range(classes)) * 20
    answers = method.predict_proba(kind.inputs(labels, seed=77), None).argmax(1)
    return float((answers == torch.tensor(labels)).float().mean())


def assert_distributions(proba: Tensor, rows: int, classes: int) -> None:
    """What any answer must be: probabilities, detached, one row for each input."""
    assert proba.shape == (rows, classes)
    assert proba.dtype == torch.float32
    assert not proba.requires_grad
    assert (proba >= 0).all()
    assert torch.allclose(proba.sum(1), torch.ones(rows), atol=1e-5)
