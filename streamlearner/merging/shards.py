"""What one learner gives to the whole, and which indices its classes and tasks have there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from streamlearner.associations.contract import Association
from streamlearner.memory.reservoir import RecollectionMemory


class Indices(NamedTuple):
    """Of a learner's classes and tasks: the index in the whole by that of the learner."""

    classes: Mapping[int, int]
    tasks: Mapping[int, int]


class Codes(NamedTuple):
    """A learner's memory, and the association that decodes it."""

    memory: RecollectionMemory
    association: Association
    indices: Indices


class Recoded(NamedTuple):
    """Codes of another fit, encoded anew: how many, and the mean absolute error that this added."""

    records: int = 0
    distortion_l1: float = 0.0

    def plus(self, other: Recoded) -> Recoded:
        """Both together."""
        records = self.records + other.records
        total = self.records * self.distortion_l1 + other.records * other.distortion_l1
        return Recoded(records, total / max(1, records))
