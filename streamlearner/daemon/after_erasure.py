"""What is still to be done on the disk after an erasure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

NAME = "after_erasure"


@dataclass(frozen=True, slots=True)
class AfterErasure:
    """So many checkpoints are to be saved anew, that none still holds it; model versions before
    `oldest_version` go (0: none). Part of each checkpoint: whoever is killed before it is done does it after
    the next start."""

    renewals: int = 0
    oldest_version: int = 0

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> AfterErasure:
        """That of a checkpoint; nothing where it says nothing."""
        return cls(**facts.get(NAME, {}))

    def facts(self) -> dict[str, Any]:
        """JSON, for a checkpoint; empty where nothing is to be done."""
        return {NAME: asdict(self)} if self != AfterErasure() else {}

    def saved_once(self) -> AfterErasure:
        """One of the checkpoints was."""
        return replace(self, renewals=max(0, self.renewals - 1))

    def versions_deleted(self) -> AfterErasure:
        """Those before `oldest_version` were."""
        return replace(self, oldest_version=0)
