"""Fresh layers, which torch draws from its global generator, from a seed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

SEED_LIMIT = 2**63
"""Seeds are below: torch takes no larger ones. What is derived from a setting is taken modulo this."""


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Inside, torch's global generator of the CPU has this seed; afterwards its former state.

    (`torch.manual_seed` would seed the generators of GPUs, too, which `fork_rng` does not put back without
    waiting for them; and it formats the whole call stack each time.)
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield
