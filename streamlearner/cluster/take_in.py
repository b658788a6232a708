"""What a single daemon learned, as the beginning of a cluster."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from streamlearner.cluster.layout import PARTITIONS
from streamlearner.cluster.scale import StoredScale
from streamlearner.cluster.store import Store
from streamlearner.cluster.versions import PublishedVersions
from streamlearner.learning.learner import Learner
from streamlearner.learning.merging import share_scale

log = logging.getLogger(__name__)

FIRST_EPOCH = 1


class Saved(Protocol):
    """What a partition begins with (`app.daemon_partitions`)."""

    learner: Learner | None

    def save(self, folder: Path) -> None:
        """As a state folder."""


def take_in(store: Store, read: Callable[[], Mapping[int, Saved]], *, holder: str) -> bool:
    """Partitions go on from what `read` gives, by number; the first holds all that was learned, and its model
    is the first published version. False where the store has partitions already, as after a restart with the
    same flags: nothing is read then. Killed on the way, it may be called again."""
    if store.planted(PARTITIONS):
        return False
    partitions = read()
    first = next(iter(partitions.values()))
    _publish_version(store, first)
    if first.learner is not None:
        share_scale(first.learner, StoredScale(store))  # before the others meet their first inputs
    aside = store.aside()
    for number, state in partitions.items():
        state.save(aside / f"{number:05d}" / "epochs" / f"{FIRST_EPOCH:06d}")
        claims = Store(aside / f"{number:05d}" / "claims")
        claims.create(f"{FIRST_EPOCH:06d}.json", {"holder": holder})
        claims.create(f"{FIRST_EPOCH:06d}-released.json", {})
    if not store.plant(aside, PARTITIONS):
        return False
    log.info("%d partitions go on from %s", len(partitions), holder)
    return True


def _publish_version(store: Store, state: Saved) -> None:
    """With the memory that it was taught from. One that a killed start left is as good."""
    assert state.learner is not None, "a cluster begins with what was learned"
    aside = store.aside()
    state.save(aside)
    PublishedVersions(store).publish(aside, state.learner.progress.newest)
