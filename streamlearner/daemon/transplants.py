"""Whether a transplant can begin, and its beginning; `learning.learner` has the rest.

A transplant teaches another network what the present one knows, from recollections.
"""

from __future__ import annotations

from streamlearner.daemon.state import DaemonState
from streamlearner.errors import ConfigError, InvalidInput
from streamlearner.learning.learner import Learner
from streamlearner.learning.progress import Transplant
from streamlearner.serving import Conflict

DEFAULT_STEPS = 5_000
"""MNIST: an MLP taught by a LeNet of 99.7 % on the exam came to 97.9 %, in 60 s of one core; one of 94.1 %,
held out, was surpassed in 3,000 steps, with 96.0 %."""


def begin_transplant(state: DaemonState, *, to: str | None, steps: int | None, method: str) -> Transplant:
    """Begins to teach the network `to`; None: a fresh one of the present kind, from recollections and their
    labels alone. The caller saves a checkpoint: a restart then goes on with it.

    Raises `Conflict` where none can begin now, `InvalidInput` for a network that cannot be built. `method` is
    the name of the method, for the error's text.
    """
    learner = state.learner
    if learner is None or not learner.progress.learned:
        raise Conflict("nothing has been learned yet that could be passed on")
    if to is None and learner.asleep and not _transplanting(learner):
        learner.abandon_consolidation()  # a sleep would teach the weights that are to go
        state.schedule.ended()
    if obstacle := _obstacle(learner, to=to, method=method):
        raise Conflict(obstacle)
    try:
        network = to or learner.network
        transplant = learner.begin_transplant(network, steps=steps or DEFAULT_STEPS, fresh=to is None)
    except (ValueError, ConfigError) as error:
        raise InvalidInput("network", f"to: {error}") from None
    state.schedule.began(learner.progress.learned)
    state.events.transplant_began(transplant, examples=learner.progress.learned)
    return transplant


def _obstacle(learner: Learner, *, to: str | None, method: str) -> str | None:
    """Why no transplant can begin now; None where one can."""
    if learner.asleep:
        busy = "a transplant is under way already"
        return busy if _transplanting(learner) else "the daemon sleeps: ask again once it is awake"
    if not learner.method.can_transplant:
        return f"method {method} remembers no inputs that could teach another network"
    if not learner.method.remembered:
        return "no recollection is held that could teach another network"
    if to is not None and not len(learner.exam):
        return "the exam holds no example yet, so nothing could judge the network (exam.fraction)"
    return f"{to} is the network that answers already" if to == learner.network else None


def _transplanting(learner: Learner) -> bool:
    return learner.transplant is not None and learner.transplant.outcome == "running"
