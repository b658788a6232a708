"""Publishers of someone else's."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

from streamlearner.export.card import Card
from streamlearner.export.publisher import Publisher


class Broken(Publisher):
    """Its server is never there, and it prints where a report is expected."""

    @classmethod
    def build(cls, settings: Any) -> Self:
        return cls()

    def publish(self, folder: Path, card: Card) -> None:
        print("connecting to nowhere")
        raise ConnectionError(f"no server takes version {card.version}")
