"""Published versions of the long-term model: state folders that nothing changes any more."""

from __future__ import annotations

from pathlib import Path

from streamlearner.cluster.store import Store

FOLDER = "versions"
KEPT = 10
"""Versions that stay: a replica may still read the one before, and a person may want to go back."""


class PublishedVersions:
    """`versions/000003` is version 3. Who publishes a number first has it; whoever else was taught from the
    same version before is refused."""

    def __init__(self, store: Store) -> None:
        self.store = store

    @property
    def newest(self) -> int:
        """0 before the first."""
        return max((int(name) for name in self.store.names(FOLDER) if name.isdigit()), default=0)

    def folder(self, number: int) -> Path:
        """Its state folder, to be read."""
        return self.store.fetch(f"{FOLDER}/{number:06d}")

    def publish(self, aside: Path, number: int) -> bool:
        """False where there is such a version already."""
        published = self.store.publish(aside, f"{FOLDER}/{number:06d}")
        for name in self.store.names(FOLDER)[:-KEPT]:
            self.store.remove(f"{FOLDER}/{name}")
        return published
