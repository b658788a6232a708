"""What the history of a state folder has used up, written so that one changed bit is no loss."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Lineage:
    """Version numbers up to `newest`, and so many `rollbacks`, futures that were abandoned included."""

    newest: int = 0
    rollbacks: int = 0

    def to_bytes(self) -> bytes:
        """A sealed line of JSON, twice: without it no daemon starts, as a number might be used again."""
        line = json.dumps(asdict(self) | {"sha256": self._seal()}).encode()
        return line + b"\n\n" + line + b"\n"

    @classmethod
    def from_bytes(cls, data: bytes) -> Lineage:
        """From the first line that is whole. Raises ValueError where none is."""
        lines = [line for line in data.splitlines() if line]
        for line in lines:
            try:
                fields = json.loads(line)
                seal = fields.pop("sha256", None)
                found = cls(**fields)
            except (ValueError, TypeError, AttributeError):
                continue
            if seal == found._seal() or (seal is None and len(lines) == 1):  # the first ones had no seal
                return found
        raise ValueError("no line of it is as it was written")

    def _seal(self) -> str:
        return hashlib.sha256(f"{self.newest} {self.rollbacks}".encode()).hexdigest()
