"""Surprise: where answers for known classes are right much less often than they were, meanings changed."""

from __future__ import annotations

import torch
from torch import Tensor, nn

KNOWN = 20
"""Examples of a class after which its answers count: before, it is new, and a wrong answer is none."""
EXPECTED_EVERY = 200
"""Examples over which it is learned what a class can be expected to have right."""
SURPRISED_EVERY = 30
"""Examples over which surprise is averaged: a change is seen after some 15."""
LEAST = 0.3
"""Surprise that is no chance: the average of 30 of what is right half of the time deviates by 0.065."""


class Surprise(nn.Module):
    """Watches answers given before their examples are learned. `expected` [classes]: how often a class was
    answered rightly, of late; `surprise` []: how much less often the last known ones were. float32."""

    expected: Tensor
    surprise: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("expected", torch.zeros(0))
        self.register_buffer("surprise", torch.zeros(()))

    @property
    def stored_bits(self) -> int:
        return self.bits_of(len(self.expected))

    def bits_of(self, classes: int) -> int:
        """Bits that it takes with so many classes."""
        return 32 * (classes + 1)

    def grow(self, classes: int) -> None:
        """Places for more classes; half of the answers are expected to be right."""
        if (more := classes - len(self.expected)) > 0:
            self.expected = torch.cat([self.expected, torch.full((more,), 0.5)])

    def erase(self, label: int) -> None:
        """Of a class: as if it had never been seen."""
        self.expected[label : label + 1] = 0.5

    def watch(self, right: Tensor, labels: Tensor, counts: Tensor) -> bool:
        """Whether meanings changed: `right` [n] bool, in the order of the stream; `counts` [classes] of the
        examples seen before. Begins anew after each change."""
        found, before = labels.numpy(), self.expected.numpy()  # by numpy: for so few it takes half the time
        counted = counts.numpy()[found].tolist()
        if max(counted, default=0) < KNOWN:
            return False
        changed, surprise, classes = False, float(self.surprise), found.tolist()
        usual = dict(zip(classes, before[found].tolist(), strict=True))
        for hit, label, count in zip(right.tolist(), classes, counted, strict=True):
            if count < KNOWN:
                continue
            surprise += (usual[label] - hit - surprise) / SURPRISED_EVERY
            usual[label] += (hit - usual[label]) * max(1 / (count - KNOWN + 2), 1 / EXPECTED_EVERY)
            if surprise > LEAST:
                surprise, changed = 0.0, True
        self.surprise.fill_(surprise)
        before[list(usual)] = list(usual.values())
        return changed

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *rest: object) -> None:
        if prefix + "expected" in state_dict:
            self.expected = torch.zeros_like(state_dict[prefix + "expected"])
        super()._load_from_state_dict(state_dict, prefix, *rest)
