"""What a method may be built of, as the configuration has it: handed to its `build`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import torch

from streamlearner.associations.contract import Association
from streamlearner.memory.reservoir import RecollectionMemory
from streamlearner.methods.base import Chance
from streamlearner.networks.augmentation import Augmentation
from streamlearner.networks.base import Network


class Sleep(NamedTuple):
    """Of one sleep: optimiser steps, recollections in each, and the first step size (None: that of wake)."""

    steps: int
    batch_size: int
    learning_rate: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Components:
    """For inputs of one shape: raw ones are `dtype` [n, *input_shape]. A method takes what it needs.

    `network` has the step size of wake as its `learning_rate`. `recollections_per_step` and `steps` (for each
    batch) are settings that several methods share. A method's own generator comes from `chance()`, the same
    each time; `make_association` and `make_memory` make a new one at each call, and some associations draw
    from the generator already when they are made: call them in the same order always.
    """

    input_shape: tuple[int, ...]
    dtype: torch.dtype
    network: Network
    augmentation: Augmentation
    recollections_per_step: int
    steps: int
    sleep: Sleep
    seed: int
    make_association: Callable[[Chance], Association]
    make_memory: Callable[[Association], RecollectionMemory]

    def chance(self) -> Chance:
        """A method's own generator. Hand it on before anything that draws from it is built."""
        return Chance(seed=self.seed)

    @contextmanager
    def drawing(self) -> Iterator[None]:
        """Lends the method's seed to torch's global generator, from which torch initialises layers."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            yield
