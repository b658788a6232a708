"""What answers as one module, which takes inputs as they are sent."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from streamlearner.errors import StreamlearnerError
from streamlearner.export.card import Eye, Signature
from streamlearner.learning.predictor import Predictor
from streamlearner.methods.base import DualMemory
from streamlearner.networks.imputation import MeanImputation


class NotExportable(StreamlearnerError):
    """What answers cannot be put into a graph."""


class Graph(NamedTuple):
    """The module, and what it takes."""

    module: nn.Module
    signature: Signature


class _Answers(nn.Module):
    """Inputs [n, *sent shape], and tasks where there are any, to probabilities [n, classes]."""

    def __init__(
        self, method: nn.Module, *, images: bool, missing: nn.Module | None, eye: nn.Module | None
    ) -> None:
        super().__init__()
        self.method, self.missing, self.eye, self.images = method, missing, eye, images

    def forward(self, input: Tensor, task: Tensor | None = None) -> Tensor:
        seen = channels_first(input) if self.images else input
        if self.missing is not None:
            seen = self.missing(seen)
        if self.eye is not None:
            seen = self.eye(seen)
        found: Tensor = self.method(seen) if task is None else self.method(seen, task)
        return found


class _Filled(nn.Module):
    """`MeanImputation.fill`."""

    known: Tensor
    mean: Tensor

    def __init__(self, missing: MeanImputation) -> None:
        super().__init__()
        self.register_buffer("known", missing.count > 0)
        self.register_buffer("mean", missing.mean.clone())

    def forward(self, inputs: Tensor) -> Tensor:
        missing = inputs.isnan()
        there = torch.where(missing, 0.0, inputs)
        here = there.sum(0) / (~missing).to(torch.float32).sum(0).clamp_min(1.0)
        return torch.where(missing, torch.where(self.known, self.mean, here), inputs)


def graph_of(predictor: Predictor) -> Graph:
    """Of a frozen predictor of its own, which is not used for anything else. Raises `NotExportable`."""
    method = predictor.method
    if not isinstance(method, DualMemory):
        raise NotExportable(f"{type(method).__name__} is an exported model already: copy its files")
    if not predictor.ready:
        raise NotExportable("nothing was learned yet, so there is no model to export")
    try:
        answers = method.graph()
    except NotImplementedError as error:
        raise NotExportable(str(error)) from error
    shape, eye, seen = predictor.input_shape, None, predictor.eye
    if seen is not None and (eye := seen.graph(shape)) is None:
        shape = (seen.features,)  # an eye that cannot be part of it is asked for its features first
    images = len(shape) == 3
    missing = None if predictor.missing is None else _Filled(predictor.missing)
    module = _Answers(answers, images=images, missing=missing, eye=eye).eval().requires_grad_(False)
    return Graph(
        module,
        Signature(
            shape=shape,
            dtype="uint8" if images else "float32",
            missing=missing is not None,
            missing_as=() if predictor.missing is None else predictor.missing.values,
            takes_tasks=method.seen_classes.names_tasks,
            outputs=predictor.method.classes,
            eye=None if seen is None else Eye(seen.name, seen.digest, included=eye is not None),
        ),
    )


def channels_first(sent: Tensor) -> Tensor:
    """Images [n, H, W] or [n, H, W, C] as [n, C, H, W]."""
    return sent[:, None] if sent.ndim == 3 else sent.permute(0, 3, 1, 2)


def as_sent(inputs: Tensor) -> Tensor:
    """Inputs [n, C, H, W] or [n, d] as one sends them: channels last, without that of a grey image."""
    if inputs.ndim == 2:
        return inputs
    return inputs[:, 0] if inputs.shape[1] == 1 else inputs.permute(0, 2, 3, 1).contiguous()
