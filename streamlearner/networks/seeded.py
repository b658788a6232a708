"""Fresh layers, which torch draws from its global generator, from a seed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Inside, torch's global generator of the CPU has this seed; afterwards its former state.

    (`torch.manual_seed` would seed the generators of GPUs, too, which `fork_rng` does not put back without
    waiting for them; and it formats the whole call stack each time.)
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield
