"""What the configuration offers a method to be built of: the argument of its `build`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import torch

from streamlearner.associations.contract import Association
from streamlearner.memory.reservoir import RecollectionMemory
from streamlearner.methods.base import DualMemory, Rng
from streamlearner.networks.augmentation import Augmentation
from streamlearner.networks.base import Network
from streamlearner.networks.seeded import seeded


class Sleep(NamedTuple):
    """Of one sleep: optimiser steps, recollections in each, and the learning rate of the first (None: that of
    wake)."""

    steps: int
    batch_size: int
    learning_rate: float | None

    def steps_of(self, candidate: DualMemory) -> int:
        """Steps of the sleep that teaches this candidate."""
        return max(1, round(self.steps * candidate.sleep_share))


@dataclass(frozen=True, slots=True, kw_only=True)
class Components:
    """Parts and settings for raw inputs of `dtype` [n, *input_shape]. A method takes what it needs.

    `ordered`: inputs are features of deviation 1, about, those that tell most first, as an eye may give them.
    `network.learning_rate` is the one of wake learning. `recollections_per_step`, `steps` (optimiser steps on
    each batch) and `budget_bits` (memory.budget_bits) are settings that several methods share.
    `make_association` and `make_memory` make a new object at each call; an association may draw from the
    method's random generator when it is made, so always call them in the same order.
    """

    input_shape: tuple[int, ...]
    dtype: torch.dtype
    ordered: bool
    network: Network
    augmentation: Augmentation
    recollections_per_step: int
    steps: int
    budget_bits: int
    sleep: Sleep
    seed: int
    make_association: Callable[[Rng], Association]
    make_memory: Callable[[Association], RecollectionMemory]

    def make_rng(self) -> Rng:
        """A new random generator for the method, in the same state each time. Register it before any part
        that holds its `generator`."""
        return Rng(seed=self.seed)

    @contextmanager
    def drawing(self) -> Iterator[None]:
        """Inside, torch's global generator, from which layers are initialised, has the method's seed;
        afterwards its former state."""
        with seeded(self.seed):
            yield
