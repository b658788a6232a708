"""What the baselines share: one network that learns awake; its sleep only takes a copy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Self

from streamlearner.methods.one_network import OneNetwork


class Baseline(OneNetwork):
    """The neocortex is the copy that the last sleep took, so that versions and rollback work."""

    def consolidate(self, candidate: Self) -> Iterator[None]:
        candidate.neocortex.load_state_dict(candidate.hippocampus.state_dict())
        yield

    def adopt(self, candidate: Self) -> None:
        self.neocortex.load_state_dict(candidate.neocortex.state_dict())
        self.neocortex.head.grow(self.classes)
