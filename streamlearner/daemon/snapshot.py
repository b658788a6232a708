"""What a checkpoint holds: all that a restart needs, as it is between two batches."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

from torch import Tensor

from streamlearner.daemon.intake import Tally
from streamlearner.daemon.known_ids import ErasedIds, RememberedIds
from streamlearner.daemon.sleep_schedule import SleepSchedule
from streamlearner.decoding.codec import Schema
from streamlearner.errors import CheckpointError
from streamlearner.learning.learner import Learner
from streamlearner.networks.finiteness import not_finite
from streamlearner.state.checkpoint import Checkpoint
from streamlearner.stream import Position


class LearningState(Protocol):
    """What there is to save: of a daemon (`state.DaemonState`), or of a program that learns without one."""

    learner: Learner | None
    schema: Schema | None
    position: Position | None
    tally: Tally

    @property
    def ids(self) -> RememberedIds: ...

    @property
    def erased(self) -> ErasedIds: ...

    @property
    def schedule(self) -> SleepSchedule: ...

    def make_learner(self) -> Learner: ...


@dataclass(frozen=True, slots=True)
class Snapshot:
    """`examples` of the `messages` taken were learned; `position` is that after the last batch.
    `broken` names a weight that is not finite: no restart could go on from it.

    The tensors are those in use, not copies: save them before more is learned. Equal streams give equal
    snapshots: no fact depends on the time of day, but where the sleep schedule goes by time.
    """

    tensors: Mapping[str, Mapping[str, Tensor]]
    facts: Mapping[str, Any]
    position: Position
    messages: int
    examples: int
    broken: str | None = None

    def check(self) -> None:
        """Raises CheckpointError where it is broken."""
        if self.broken is not None:
            raise CheckpointError(
                f"no checkpoint is saved, as {self.broken} is not finite: the model diverged, and the "
                "last good checkpoint stays (lower method.learning_rate, and restart or roll back)"
            )

    @property
    def size_bytes(self) -> int:
        """Of the tensors."""
        return sum(tensor.nbytes for file in self.tensors.values() for tensor in file.values())

    def copied(self) -> Snapshot:
        """The same, which stays so while more is learned."""
        tensors = {
            file: {name: tensor.detach().clone() for name, tensor in content.items()}
            for file, content in self.tensors.items()
        }
        return replace(self, tensors=tensors, facts=json.loads(json.dumps(self.facts)))


def capture(state: LearningState, position: Position) -> Snapshot:
    """The state as it is now, which is that at `position`; a readout under way is measured to its end."""
    if state.learner is not None:
        state.learner.finish_probing()
    return Snapshot(
        tensors=tensors(state),
        facts=facts(state),
        position=position,
        messages=state.tally.messages,
        examples=state.learner.progress.learned if state.learner else 0,
        broken=not_finite(state.learner.method) if state.learner else None,
    )


def tensors(state: LearningState) -> dict[str, dict[str, Tensor]]:
    """By file and name: those in use, not copies."""
    intake = {"ids": state.ids.state()} | ({"erased": state.erased.state()} if len(state.erased) else {})
    if len(versions := state.ids.versions()):
        intake["versions"] = versions
    return {"intake": intake} | (state.learner.tensors() if state.learner else {})


def facts(state: LearningState) -> dict[str, Any]:
    """All that is not a tensor, as JSON."""
    learner, schema = state.learner, state.schema
    return {
        "tally": asdict(state.tally),
        "schedule": state.schedule.state(),
        "schema": None if schema is None else schema.state(),
        "learner": None if learner is None else learner.facts(),
    }


def restore(state: LearningState, checkpoint: Checkpoint) -> None:
    """Makes a fresh state the one that was saved. A consolidation that was under way is to be re-run from its
    seed to the saved step: its learner owes those steps."""
    saved = checkpoint.facts
    state.position = checkpoint.manifest.position
    state.tally = tally_of(saved)
    state.schedule.restore(saved["schedule"])
    state.ids.restore(checkpoint.tensors["intake"]["ids"])
    if (versions := checkpoint.tensors["intake"].get("versions")) is not None:
        state.ids.restore_versions(versions)
    if (erased := checkpoint.tensors["intake"].get("erased")) is not None:
        state.erased.restore(erased)
    if saved["schema"] is not None:
        state.schema = Schema.restore(saved["schema"])
    if saved["learner"] is not None:
        state.learner = state.make_learner()
        state.learner.restore(checkpoint.tensors, saved["learner"])


def tally_of(saved: Mapping[str, Any]) -> Tally:
    """The counts that were saved. Up to 0.1 tombstones were in none: they are the messages left over."""
    counts, learner = dict(saved["tally"]), saved["learner"]
    if "tombstone" not in counts:
        progress = learner["progress"] if learner else {"learned": 0, "withheld": 0}
        counted = counts["rejected"] + counts["duplicate"] + progress["learned"] + progress["withheld"]
        counts["tombstone"] = counts["messages"] - counted
    return Tally(**counts)


def adopted_version(facts: Mapping[str, Any]) -> int:
    """The version that answers by what was saved; 0 before the first."""
    learner = facts["learner"]
    return int(learner["progress"]["version"]) if learner else 0


def rollbacks(facts: Mapping[str, Any]) -> int:
    """How often the learner went back by what was saved."""
    learner = facts["learner"]
    return int(learner["progress"].get("rollbacks", 0)) if learner else 0
