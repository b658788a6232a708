"""All that a restart needs, as it was between two batches: taken from a daemon, put back into a fresh one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from torch import Tensor

from streamlearner.daemon.events import Tally
from streamlearner.decoding.codec import Schema
from streamlearner.state.checkpoint import Checkpoint
from streamlearner.stream import Position

if TYPE_CHECKING:
    from streamlearner.daemon.loop import Daemon


@dataclass(frozen=True, slots=True)
class Moment:
    """`examples` of the `messages` taken were learned; `position` is that after the last batch.

    The tensors are those in use, not copies: save them before more is learned. No fact depends on the time
    of day, but the schedule's where time decides: equal streams give equal moments.
    """

    tensors: Mapping[str, Mapping[str, Tensor]]
    facts: Mapping[str, Any]
    position: Position
    messages: int
    examples: int


def take(daemon: Daemon, position: Position) -> Moment:
    learner, schema = daemon.learner, daemon.intake.codec.schema
    return Moment(
        tensors={"intake": {"ids": daemon.intake.ids.state()}} | (learner.tensors() if learner else {}),
        facts={
            "tally": asdict(daemon.tally),
            "schedule": daemon.schedule.state(),
            "schema": None if schema is None else schema.state(),
            "learner": None if learner is None else learner.facts(),
        },
        position=position,
        messages=daemon.tally.messages,
        examples=learner.progress.learned if learner else 0,
    )


def put_back(daemon: Daemon, found: Checkpoint) -> None:
    """The daemon goes on from there. A sleep that was under way is dreamt again up to where it was."""
    facts = found.facts
    daemon.position = found.manifest.position
    daemon.tally = Tally(**facts["tally"])
    daemon.schedule.restore(facts["schedule"])
    daemon.intake.ids.restore(found.tensors["intake"]["ids"])
    if facts["schema"] is not None:
        daemon.intake.codec.schema = Schema.restore(facts["schema"])
    if facts["learner"] is not None:
        daemon.learner = daemon.born()
        daemon.learner.restore(found.tensors, facts["learner"])
