"""Around the daemon of a life: a client that asks, and mercy for the only checkpoint that it has left."""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import suppress

from streamlearner.daemon.loop import Daemon
from streamlearner.errors import CheckpointError
from streamlearner.state.checkpoint import Checkpoint
from streamlearner.state.versions import Lineage
from tests.lives.disk import SimulatedDisk
from tests.lives.promises import Promises
from tests.lives.worlds import World


def spare_what_a_start_goes_back_to(daemon: Daemon, disk: SimulatedDisk) -> None:
    """Where it could not read newer checkpoints, that one is all it has, until it has set them aside."""
    newest, restored = daemon.persistence.checkpoints.latest, daemon.persistence.restored

    def latest(*, without: Collection[str] = ()) -> Checkpoint | None:
        if (found := newest(without=without)) is not None and found.skipped:
            disk.wanted = str(found.path)
        return found

    def gone_back(messages: int, *, newest_version: int) -> Lineage:
        disk.wanted = None
        return restored(messages, newest_version=newest_version)

    daemon.persistence.checkpoints.latest = latest  # type: ignore[method-assign]
    daemon.persistence.restored = gone_back  # type: ignore[method-assign]


def add_client(daemon: Daemon, lived_in: World, promises: Promises) -> None:
    """Asks behind its places in the stream, and again where they are read again: before anything is saved or
    consolidated there, so that what it asks is part of the history."""
    consolidate: Callable[[], None] = daemon.consolidate

    def ask_and_go_on() -> None:
        asked = lived_in.requests.get(daemon.state.tally.messages)
        if daemon.took_batch and daemon.predictor is not None:
            promises.named(daemon.predictor)
            _ask(daemon, asked)
        elif asked in ("rollback", "revert") and not daemon.state.asleep:
            return  # the sleep that a rollback gave up is due again: behind the next batch, or by the clock
        consolidate()

    daemon.consolidate = ask_and_go_on  # type: ignore[method-assign]


def _ask(daemon: Daemon, request: str | None) -> None:
    if request == "sleep":
        daemon.requests.request_sleep()
    elif request == "checkpoint":
        daemon.requests.request_checkpoint()
    elif request is not None and daemon.learner is not None:
        most = daemon.learner.progress.version - (request == "rollback")
        with suppress(CheckpointError):  # the client is told so
            kept = [number for number in daemon.persistence.versions.numbers() if number <= most]
            if kept:
                daemon.requests.request_rollback(kept[-1])
