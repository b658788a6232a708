"""The contract of a method whose learners' memories can be one."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Self

import torch

from streamlearner.merging.shards import Indices, Recoded


class Mergeable:
    """A method that remembers what can be merged exactly."""

    can_merge: ClassVar[bool] = True
    """False for one that is like another that can: a cluster refuses it at its start."""
    not_merged: ClassVar[tuple[str, ...]] = ("rng", "neocortex")
    """Submodules of shards, by dotted name, whose state `merge` does not read: a shard that was read for it
    alone has fresh ones."""

    @abstractmethod
    def merge(
        self, shards: Sequence[Self], indices: Sequence[Indices], generator: torch.Generator
    ) -> Recoded:
        """Remembers, as one that saw all, what these remember, which saw parts of a stream.

        `self` is fresh, but may know classes and weights of an earlier version; `indices` [shards] say which
        index each one's classes and tasks have in it. Weights are not merged: `consolidate` teaches them,
        from codes alone. All draws come from `generator`. Says which codes were of another fit. Raises
        ValueError where these cannot be one.
        """

    @abstractmethod
    def follow(self, published: Self, indices: Indices) -> None:
        """Goes on from the long-term model of `published`, which was taught from the memories of all, and
        knows the classes that it knows, under the indices that they have here. What is remembered, or summed,
        stays that of this learner alone: it is merged again."""
