"""The contract of a publisher: told of each version that was exported."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, Self

from streamlearner.export.card import Card


class Publisher(ABC):
    """Registers exported versions somewhere else: the base class of all, found by entry points of the group
    `streamlearner.publishers`.

    It runs in the process that exported the version, never in the daemon's: it may block and fail. What it
    raises is logged and counted by the daemon, which goes on. A version whose export was cut off is exported,
    and published, again after a restart: the same `card.model_version` may come twice.
    """

    @classmethod
    @abstractmethod
    def build(cls, settings: Any) -> Self:
        """`settings` are its own (an object of the class `Settings` in its class, None where it has none).
        Raises ConfigError. Called for each version, and once when the daemon starts."""

    @abstractmethod
    def publish(self, folder: Path, card: Card) -> None:
        """`folder` holds the files of `card`, and `model.json`, the card itself; copy what must stay, as
        they are deleted with the version."""
