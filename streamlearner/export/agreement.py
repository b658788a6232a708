"""Whether a file answers as the daemon does: compared before it leaves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from streamlearner.export.graph import NotExportable, as_sent
from streamlearner.export.running import Run
from streamlearner.learning.predictor import Predictor

TOLERANCE, HALF = 1e-4, 0.05
"""How far a probability may be from the daemon's; and where the daemon computes in bfloat16, as a file
computes in float32."""
EDGES = 0.1
"""Share of inputs that may be further where there is an eye: statistics round its features, and one that lies
on an edge is rounded the other way by a runtime that adds in another order."""
DRAWN = 32
"""Inputs of chance that are compared, beside those that are given."""
MOST_TASKS = 4


@dataclass(frozen=True, slots=True)
class Expected:
    """What is answered to some inputs, as they are sent (or features, where the eye is no part of it), for no
    task and for some."""

    given: Tensor
    answers: Mapping[int | None, Tensor]
    tolerance: float
    edges: float = 0.0

    @classmethod
    def of(cls, predictor: Predictor, samples: Tensor | None) -> Expected:
        """Of raw `samples`, and of inputs of chance."""
        inputs = _drawn(predictor.input_shape)
        if samples is not None and len(samples):
            inputs = torch.cat([samples.to(inputs.dtype), inputs])
        names = [None, *map(str, predictor.tasks.state()[:MOST_TASKS])]
        with torch.inference_mode():
            answers = {
                None if name is None else predictor.tasks.find(name): predictor.predict_proba(
                    inputs, task=name
                )
                for name in names
            }
        eye = predictor.eye
        if eye is not None and eye.graph(predictor.input_shape) is None:
            inputs = eye.see(inputs)
        halved = (eye is not None and eye.half_precision) or _is_half(predictor.method)
        edges = 0.0 if eye is None else EDGES
        return cls(as_sent(inputs), answers, HALF if halved else TOLERANCE, edges)

    def compare(self, run: Run, *, takes_tasks: bool, name: str) -> dict[str, Any]:
        """How many inputs were compared, by how much probabilities differ at most, and the share of inputs
        for which that is more than is allowed. Raises `NotExportable` where it is too large."""
        apart = torch.zeros(len(self.given))
        for task, expected in self.answers.items():
            index = torch.full((len(self.given),), -1 if task is None else task, dtype=torch.int64)
            found = run([self.given, index] if takes_tasks else [self.given])
            apart = apart.maximum((found - expected).abs().amax(1))
        largest, beyond = float(apart.max()), float((~(apart <= self.tolerance)).float().mean())  # NaN, too
        if beyond > self.edges:
            raise NotExportable(
                f"{name} does not answer as the daemon: a probability differs by {largest:.2g}, and "
                f"{self.tolerance:g} is allowed (has the method its own `predict_proba`, but no `graph`?)"
            )
        return {
            "inputs": len(self.given),
            "largest_difference": largest,
            "tolerance": self.tolerance,
            "beyond": beyond,
        }


def _drawn(shape: tuple[int, ...]) -> Tensor:
    """Inputs of chance, the same each time."""
    chance = torch.Generator().manual_seed(0)
    if len(shape) == 3:
        return torch.randint(256, (DRAWN, *shape), dtype=torch.uint8, generator=chance)
    return torch.randn(DRAWN, *shape, generator=chance)


def _is_half(method: object) -> bool:
    modules = method.modules() if isinstance(method, nn.Module) else ()
    return any(getattr(module, "half_precision", False) for module in modules)
