"""What statistics answer, as operations on tensors that a graph can hold.

`Directions` works in float64, or halves would round otherwise; so does this graph. Its small constants are
tensors: of numbers in the code torch.onnx makes float32. And what decides halves is added with the half
itself: onnxscript takes 1e-9 alone for 0 and drops the addition.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from streamlearner.statistics.class_sums import HIGHEST
from streamlearner.statistics.directions import Directions
from streamlearner.statistics.leading import HIGHEST as LEADING_HIGHEST
from streamlearner.statistics.leading import STEPS
from streamlearner.statistics.rule import Rule
from streamlearner.statistics.statistics import LOWEST, TEMPERATURE, Statistics


class StatisticsGraph(nn.Module):
    """What `Statistics.scores` are of raw inputs, for the sums as they are now: [n, classes] float32."""

    unseen: Tensor
    bias: Tensor
    weight: Tensor

    def __init__(self, statistics: Statistics) -> None:
        super().__init__()
        found, count = statistics.solve(), statistics.sums.directions
        unseen = found.bias == -torch.inf
        self.register_buffer("unseen", unseen)
        self.register_buffer("bias", found.bias.masked_fill(unseen, 0.0))
        directions = statistics.directions
        if isinstance(directions, Directions):
            rule = directions.rule(count)
            self.numbers: nn.Module = _Directions(rule)
            self.register_buffer("weight", found.weight[:, rule.order])
        else:
            self.numbers = _LeadingColumns(count)
            self.register_buffer("weight", found.weight)

    def forward(self, inputs: Tensor) -> Tensor:
        scores = (self.numbers(inputs) @ self.weight.T + self.bias).to(torch.float32)
        scores = scores.masked_fill(self.unseen, -torch.inf)
        best = scores.amax(1, keepdim=True).clamp_min(-1e30)
        limited = LOWEST * torch.expm1((scores - best).clamp_min(-1e30) / (TEMPERATURE * LOWEST))
        return limited.masked_fill(self.unseen, -2 * LOWEST)


class _Directions(nn.Module):
    """Those of the input itself first, then random features: [n, count] float64."""

    own: Tensor
    random: Tensor
    offset: Tensor
    halves_up: Tensor

    def __init__(self, rule: Rule) -> None:
        super().__init__()
        self.steps = rule.steps
        self.register_buffer("halves_up", torch.tensor(0.5 + rule.tie, dtype=torch.float64))
        tensors = {"own": rule.own, "random": rule.random, "offset": rule.offset}
        for name, array in tensors.items():
            self.register_buffer(name, torch.from_numpy(array))
        self.seen = _Scaled(rule) if rule.rows is None else _Shrunk(rule)

    def forward(self, inputs: Tensor) -> Tensor:
        own, seen = self.seen(inputs)
        features = (seen @ self.random + self.offset).clamp_min(0.0) * self.steps
        numbers = torch.cat([own @ self.own, features], 1)
        return (numbers + self.halves_up).floor().clamp(-HIGHEST, HIGHEST)


class _Scaled(nn.Module):
    """Vectors, each column by its own rule."""

    centre: Tensor
    unit: Tensor

    def __init__(self, rule: Rule) -> None:
        super().__init__()
        assert rule.centre is not None and rule.unit is not None
        self.register_buffer("centre", torch.from_numpy(rule.centre))
        self.register_buffer("unit", torch.from_numpy(rule.unit))
        self.linear = rule.linear

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        away = (inputs.to(torch.float64) - self.centre) / self.unit
        scaled = _asinh(away)
        return (scaled if self.linear == 1.0 else _asinh(away / self.linear)), scaled


def _asinh(values: Tensor) -> Tensor:
    """It has no float64 kernel in onnxruntime."""
    size = values.abs()
    return values.sign() * (size + (size * size + 1.0).sqrt()).log()


class _Shrunk(nn.Module):
    """Images averaged over blocks: rows, then columns. The input's own numbers take the light, random
    features how far it is from the image's mean, in deviations."""

    rows: Tensor
    columns: Tensor
    faintest: Tensor

    def __init__(self, rule: Rule) -> None:
        super().__init__()
        assert rule.rows is not None and rule.columns is not None
        self.register_buffer("faintest", torch.tensor(1e-3, dtype=torch.float64))
        self.register_buffer("rows", torch.from_numpy(rule.rows.copy()))
        self.register_buffer("columns", torch.from_numpy(rule.columns.T.copy()))

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        light = (self.rows @ inputs.to(torch.float64) @ self.columns).flatten(1) / 255.0
        away = light - light.mean(1, keepdim=True)
        spread = (away * away).mean(1, keepdim=True).sqrt()
        return light, away / (spread + self.faintest)


class _LeadingColumns(nn.Module):
    """The first columns of features that come in order."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count

    def forward(self, inputs: Tensor) -> Tensor:
        steps = (inputs[:, : self.count] * STEPS).round()
        return steps.clamp(-LEADING_HIGHEST, LEADING_HIGHEST).to(torch.float64)
