"""Whether what an input itself says answers better alone than with random features beside it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

HORIZON = 500
"""Compared examples that count."""
ASKED_ALL, ASKED_EVERY = 200, 40
"""First examples that are all compared, and then only batches in which one in so many comes: answering by
both takes about as long as all else."""
CERTAIN = 1.0
"""Standard deviations by which the few must be right more often, of those that the two answer differently."""


class OwnAlone(nn.Module):
    """Compares two discriminants on examples that are not learned yet: of all numbers, and of the input's
    own.

    Of a mean that few examples made, each direction more adds noise. Where classes are many and examples of
    each few, that is more than random features tell (right at the end with them beside the columns, and
    without: 120 normal distributions in 20 dimensions, 25 draws of each, class after class, 67 and 75 %; 40
    in 50 dimensions, nearer, 40 draws of each, two at a time, 85 and 93 %). `right` [3] float32 is state:
    sums over a horizon of how often all were right, and the own, and one of them alone.
    """

    right: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("right", torch.zeros(3))

    @property
    def stored_bits(self) -> int:
        return 32 * self.right.numel()

    @property
    def preferred(self) -> bool:
        """Whether the input's own numbers are to answer alone."""
        of_all, of_own, differed = self.right.tolist()
        return bool(of_own - of_all > CERTAIN * differed**0.5)

    def asks(self, seen: int, count: int) -> bool:
        """Whether the next `count` examples, after `seen`, are to be compared."""
        return seen < ASKED_ALL or seen // ASKED_EVERY != (seen + count) // ASKED_EVERY

    def compare(self, of_all: Tensor, of_own: Tensor) -> None:
        """Adds examples: bool [n] each, whether all numbers, and the input's own, told their class."""
        both = torch.stack([of_all, of_own, of_all != of_own]).sum(1)
        self.right.mul_((1 - 1 / HORIZON) ** len(of_all)).add_(both)

    def merge(self, other: OwnAlone) -> None:
        """As if these had been compared here, too."""
        self.right += other.right

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        state_dict.setdefault(prefix + "right", torch.zeros_like(self.right))  # written before it was asked
        super()._load_from_state_dict(state_dict, prefix, *rest)
