"""A transplant that was asked for: whether it can be now, and its beginning. How it goes on: `learner`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamlearner.errors import ConfigError, InvalidInput
from streamlearner.learning.consolidation import Transplant
from streamlearner.learning.learner import Learner
from streamlearner.serving import Conflict

if TYPE_CHECKING:
    from streamlearner.daemon.loop import Daemon

DEFAULT_STEPS = 5_000
"""MNIST: an MLP taught by a LeNet of 99.7 % on the exam came to 97.9 %, in 60 s of one core; one of 94.1 %,
held out, was surpassed in 3,000 steps, with 96.0 %."""


def begin(daemon: Daemon, *, to: str, steps: int | None) -> Transplant:
    """Begins to teach the network `to`, durably: from here on a restart goes on with it.

    Raises `Conflict` where it cannot be as things are, `InvalidInput` for a network that cannot be built.
    """
    learner = daemon.learner
    if learner is None or not learner.progress.learned:
        raise Conflict("nothing has been learned yet that could be passed on")
    if hindrance := hindered(learner, to=to, method=daemon.archive.method):
        raise Conflict(hindrance)
    try:
        begun = learner.begin_transplant(to, steps=steps or DEFAULT_STEPS)
    except (ValueError, ConfigError) as error:
        raise InvalidInput("network", f"to: {error}") from None
    daemon.schedule.began(learner.progress.learned)
    daemon.reporter.began_transplant(begun, examples=learner.progress.learned)
    daemon.checkpoint()
    return begun


def hindered(learner: Learner, *, to: str, method: str) -> str | None:
    """Why no transplant can begin now; None where it can."""
    if learner.asleep:
        busy = learner.transplant and learner.transplant.outcome == "running"
        return (
            "a transplant is under way already" if busy else "the daemon sleeps: ask again once it is awake"
        )
    if not learner.method.can_transplant:
        return f"method {method} remembers no inputs that could teach another network"
    if not learner.method.remembered:
        return "no recollection is held that could teach another network"
    if not len(learner.exam):
        return "the exam holds no example yet, so nothing could judge the network (exam.fraction)"
    return f"{to} is the network that answers already" if to == learner.network else None
