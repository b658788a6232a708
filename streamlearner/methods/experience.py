"""What a method is given to learn or to erase, and what it answers."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Experience:
    """One batch to learn, as a method sees it.

    `inputs` [n, C, H, W] uint8 or [n, d] float32, n >= 1, raw; `labels` [n] int64 class indices (a new class
    has the next free index); `tasks` [n] int64 task indices, -1 where a message names none, or None where no
    message of the stream does; `changing`: served accuracy fell a short while ago, so that it may be worth
    learning faster; `ids` [n] int64 digests of the examples' ids, 0 where a message names none, or None where
    no message of the batch does: a recollection that knows its id can be erased by it; `growth`: of how many
    batches of the usual size those are made that get optimiser steps, 1 or more. The step size stays all the
    same: what comes in grown batches has settled, and larger steps unsettle it (LeNet, MNIST, one seed: after
    5,120 in batches of 640 83.6 % with steps by the square root, 97.3 with the usual ones); `trained` [n]
    bool: which these are, at least one, or None for all (`DualMemory.thins`).
    """

    inputs: Tensor
    labels: Tensor
    tasks: Tensor | None = None
    changing: bool = False
    ids: Tensor | None = None
    growth: float = 1.0
    trained: Tensor | None = None

    def items(self, count: int) -> int:
        """Of what is learned beside such a batch, so that it costs less than as many usual ones."""
        return round(count * math.sqrt(self.growth))

    @property
    def thinned(self) -> bool:
        """Whether some get no optimiser steps."""
        return self.trained is not None

    def of_taught(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """Of tensors [n, ...] the rows of those that get optimiser steps."""
        return tensors if self.trained is None else tuple(each[self.trained] for each in tensors)

    @property
    def taught(self) -> Experience:
        """Those of it that get optimiser steps."""
        if (chosen := self.trained) is None:
            return self
        inputs, labels = self.of_taught(self.inputs, self.labels)
        tasks, ids = (None if one is None else one[chosen] for one in (self.tasks, self.ids))
        return replace(self, inputs=inputs, labels=labels, tasks=tasks, ids=ids, trained=None)


@dataclass(frozen=True, slots=True)
class Observation:
    """What `observe` returns: `predicted` [n] int64 class indices, what `predict_proba` would have answered
    *before* learning (prequential); the mean `loss` of the batch; `distortion_l1`, the mean absolute error of
    decoded codes of the new inputs, where it was measured; and `changed`, whether the batch showed that
    labels changed their meaning."""

    predicted: Tensor
    loss: float
    distortion_l1: float | None = None
    changed: bool = False


@dataclass(frozen=True, slots=True)
class Selection:
    """What is to be erased: the example whose id has the digest `id`, or all of the class `label`, or all of
    the `task` (indices); the other two are None. `example`: the one of that id itself, with its class, where
    it was learned for certain and the erasure carries it."""

    id: int | None = None
    label: int | None = None
    task: int | None = None
    example: Experience | None = None


@dataclass(frozen=True, slots=True)
class Removed:
    """What an erasure removed: `recollections`; of `statistics` that sum examples, how far: `none` (there are
    none), `exact`, or `kept` (`note` says why). `unnamed` recollections name no id: if the example is among
    them, it was not found."""

    recollections: int = 0
    unnamed: int = 0
    statistics: str = "none"
    note: str = ""


def unit_interval(inputs: Tensor) -> Tensor:
    """Raw inputs as networks and associations take them: images as float32 in [0, 1], features unchanged."""
    return inputs.to(torch.float32).div_(255.0) if inputs.dtype == torch.uint8 else inputs


def raw(inputs: Tensor) -> Tensor:
    """The inverse of `unit_interval`: images [n, C, H, W] float32 in [0, 1] to uint8, feature vectors
    unchanged."""
    return (inputs * 255.0).round().to(torch.uint8) if inputs.ndim == 4 else inputs
