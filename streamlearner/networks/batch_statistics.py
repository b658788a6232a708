"""The statistics of batch normalisation, which forward passes change before it is known whether their step is
taken."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from streamlearner.networks.dropout import Dropout


class BatchStatistics:
    """The running statistics of all batch normalisation in `module`, and what they were before the step under
    way. (Two copies of some dozen small tensors a step: 0.1 ms for a ResNet-18, nothing where there are
    none.)"""

    def __init__(self, module: nn.Module) -> None:
        self._buffers = statistics_of(module)
        self._before = [buffer.clone() for buffer in self._buffers]
        self._floats = [buffer for buffer in self._buffers if buffer.is_floating_point()]
        self._begun = False

    @property
    def finite(self) -> bool:
        """False where a step may not be taken although its loss is finite: a batch is normalised by itself,
        however large it is, and the square of what it adds to the variance may be beyond float32."""
        if not self._floats:
            return True
        return bool(torch.stack(torch._foreach_norm(self._floats)).isfinite().all())

    def begin(self) -> None:
        """Before each forward pass in training: the first of a step counts."""
        if self._buffers and not self._begun:
            _copy(self._before, self._buffers)
            self._begun = True

    def end(self, *, taken: bool) -> None:
        """The step is taken or refused: then they are what they were."""
        if self._begun and not taken:
            _copy(self._buffers, self._before)
        self._begun = False


@contextmanager
def of_one_example(module: nn.Module) -> Iterator[None]:
    """Around a forward pass in training of one example: where batch normalisation finds one value of a
    channel, which has no variance (torch raises ValueError), its running statistics normalise it."""
    with ExitStack() as stack:
        for part in (part for part in module.modules() if isinstance(part, _BatchNorm)):
            stack.enter_context(part.register_forward_pre_hook(_train_if_it_varies))
            stack.callback(part.train, part.training)
        yield


def _train_if_it_varies(part: nn.Module, given: tuple[Any, ...]) -> None:
    part.training = given[0].numel() > given[0].shape[1]


def answers_as_it_trains(module: nn.Module) -> bool:
    """Whether a forward pass in training gives what it gives in evaluation: nothing in it normalises by the
    batch or drops values, and no part asks which of both it is."""
    return not any(
        isinstance(part, _BatchNorm | Dropout) or "training" in _names(part) for part in module.modules()
    )


def _names(part: nn.Module) -> tuple[str, ...]:
    """What the forward pass of a part names; nothing of torch's own layers."""
    code = getattr(type(part).forward, "__code__", None)
    return () if code is None or type(part).__module__.startswith("torch.nn.") else code.co_names


def statistics_of(module: nn.Module) -> list[Tensor]:
    """The buffers of its batch normalisation, in the order of its modules."""
    normalising = (part for part in module.modules() if isinstance(part, _BatchNorm))
    return [buffer for part in normalising for buffer in part.buffers()]


@torch.no_grad()
def _copy(targets: list[Tensor], sources: list[Tensor]) -> None:
    torch._foreach_copy_(targets, sources)
