"""A state folder goes back to an earlier checkpoint, its model versions with it."""

from __future__ import annotations

from typing import Any

from streamlearner.state.checkpoint import Checkpoint, CheckpointStore
from streamlearner.state.versions import Lineage, Versions


def roll_back(checkpoints: CheckpointStore, versions: Versions, number: int) -> None:
    """Makes checkpoint `number` the newest, and the last version adopted before it the newest version.

    A crash at any instant leaves the state before or after: first the numbers of the future that is abandoned
    are used up, then its checkpoints go, then its versions (or at the next start). Raises `CheckpointError`
    where `number` is absent or unreadable.
    """
    if not checkpoints.verify(number):
        newest, used = _progress(checkpoints.latest()), versions.lineage()
        highest = max(newest.get("newest", 0), used.newest, *versions.numbers(), 0)
        rollbacks = max(newest.get("rollbacks", 0), used.rollbacks) + 1
        versions.use_up(Lineage(highest, rollbacks))
    checkpoints.rollback(number)
    versions.set_aside_above(_progress(checkpoints.load(number)).get("newest", 0))


def _progress(checkpoint: Checkpoint | None) -> dict[str, Any]:
    """Counters of the learner; empty before the first example."""
    return dict((checkpoint.facts.get("learner") or {}).get("progress", {})) if checkpoint else {}
