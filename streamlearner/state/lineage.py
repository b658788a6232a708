"""What the history of a state folder has used up."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from streamlearner.state import sealed_lines


@dataclass(frozen=True, slots=True)
class Lineage:
    """Version numbers up to `newest`, and so many `rollbacks`, futures that were abandoned included."""

    newest: int = 0
    rollbacks: int = 0

    def to_bytes(self) -> bytes:
        """Sealed: without it a number might be used again."""
        return sealed_lines.to_bytes(asdict(self))

    @classmethod
    def from_bytes(cls, data: bytes) -> Lineage:
        """Raises ValueError where it is not as it was written."""
        return cls(**sealed_lines.from_bytes(data, "newest", "rollbacks"))
