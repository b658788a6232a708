"""All that a restart needs, as it was between two batches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from torch import Tensor

from streamlearner.daemon.events import Tally
from streamlearner.daemon.state import DaemonState
from streamlearner.decoding.codec import Schema
from streamlearner.state.checkpoint import Checkpoint
from streamlearner.stream import Position


@dataclass(frozen=True, slots=True)
class Snapshot:
    """`examples` of the `messages` taken were learned; `position` is that after the last batch.

    The tensors are those in use, not copies: save them before more is learned. No fact depends on the time
    of day, but the schedule's where time decides: equal streams give equal snapshots.
    """

    tensors: Mapping[str, Mapping[str, Tensor]]
    facts: Mapping[str, Any]
    position: Position
    messages: int
    examples: int


def capture(state: DaemonState, position: Position) -> Snapshot:
    """The state as it is now, which is that at `position`."""
    learner, schema = state.learner, state.intake.codec.schema
    return Snapshot(
        tensors={"intake": {"ids": state.intake.ids.state()}} | (learner.tensors() if learner else {}),
        facts={
            "tally": asdict(state.tally),
            "schedule": state.schedule.state(),
            "schema": None if schema is None else schema.state(),
            "learner": None if learner is None else learner.facts(),
        },
        position=position,
        messages=state.tally.messages,
        examples=learner.progress.learned if learner else 0,
    )


def restore(state: DaemonState, checkpoint: Checkpoint) -> None:
    """Makes a fresh state the one that was saved. A consolidation that was under way is re-run from its seed
    to the saved step."""
    facts = checkpoint.facts
    state.position = checkpoint.manifest.position
    state.tally = Tally(**facts["tally"])
    state.schedule.restore(facts["schedule"])
    state.intake.ids.restore(checkpoint.tensors["intake"]["ids"])
    if facts["schema"] is not None:
        state.intake.codec.schema = Schema.restore(facts["schema"])
    if facts["learner"] is not None:
        state.learner = state.make_learner()
        state.learner.restore(checkpoint.tensors, facts["learner"])
