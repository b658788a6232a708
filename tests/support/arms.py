"""Every method, built by `app.make_method`, and small streams of each kind of input for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from streamlearner.app import make_method
from streamlearner.config import loading as config
from streamlearner.methods.base import DualMemory, Experience
from streamlearner.registry import methods as registered

METHODS: dict[str, type[DualMemory]] = {part.name: part.load() for part in registered.METHODS.shipped}
"""The methods that are shipped, by name."""

BUDGET_BITS = 300_000
"""Room for 12 raw colour images, the largest input here."""

SETTINGS: dict[str, Any] = {
    "memory.budget_bits": BUDGET_BITS,
    "method.learning_rate": 0.1,
    "method.ema_decay": 0.95,
    "method.recollections_per_step": 8,
    "sleep.steps": 5,
    "sleep.batch_size": 8,
    "method.masked_generator.units": 16,
    "method.masked_generator.steps": 5,
    "method.masked_generator.batch_size": 8,
    "method.masked_generator.least_examples": 8,
}

GUMBEL = {"association.name": "gumbel", "association.variables": 12, "association.levels": 3}
OTHERWISE = {"memory.sampling": "balanced", "method.distillation": 0.02, "method.steps": 2}

TAUGHT = {"method.candidates": 3, "method.targets": "teacher"}

ARMS: dict[str, dict[str, Any]] = {
    **{name: {"method.name": name} for name in METHODS},
    "recollection_replay with gumbel": {"method.name": "recollection_replay", **GUMBEL},
    "recollection_replay otherwise": {"method.name": "recollection_replay", **OTHERWISE},
    "recollection_replay taught": {"method.name": "recollection_replay", **TAUGHT},
}
"""All methods as they come, and the default method with the other kinds of its parts."""


@dataclass(frozen=True)
class Kind:
    """A kind of raw input, with class means to tell classes by: example = mean of its class + noise."""

    shape: tuple[int, ...]
    dtype: torch.dtype

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
        return (values * 128 + 64).clamp(0, 255).round().to(torch.uint8)

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


def make(arm: str, kind: Kind = TINY, **more: Any) -> DualMemory:
    """A fresh method; in `more`, `__` nests: memory__budget_bits=4000."""
    changed = {name.replace("__", "."): value for name, value in more.items()}
    loaded = config.load(path=None, settings=SETTINGS | ARMS[arm] | changed, environ={})
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
) -> None:
    """A stable stream of `classes` in equal parts; with `tasks`, class k belongs to task k mod tasks."""
    for step in range(steps):
        labels = torch.randint(classes, (size,), generator=rng(seed * 1000 + step)).tolist()
        named = [label % tasks for label in labels] if tasks else None
        method.observe(kind.experience(labels, seed=seed * 1000 + step, tasks=named))


def sleep(method: DualMemory) -> DualMemory:
    """One whole sleep; the candidate, not yet adopted."""
    candidate = method.clone()
    for _ in method.consolidate(candidate):
        pass
    return candidate


def state(module: nn.Module) -> dict[str, tuple[torch.dtype, tuple[int, ...], bytes]]:
    """State by name, comparable bit for bit."""
    return {name: exactly(tensor) for name, tensor in module.state_dict().items()}


def exactly(tensor: Tensor) -> tuple[torch.dtype, tuple[int, ...], bytes]:
    return tensor.dtype, tuple(tensor.shape), tensor.detach().contiguous().numpy().tobytes()


def differing(one: nn.Module, other: nn.Module) -> list[str]:
    """Names of state that is not the same bit for bit."""
    first, second = state(one), state(other)
    return sorted(name for name in first.keys() | second.keys() if first.get(name) != second.get(name))


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
