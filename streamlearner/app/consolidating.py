"""The work of a cluster's consolidator: reads what a merge needs of each partition, and teaches one model."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch

from streamlearner.app.embedded_state import EmbeddedState
from streamlearner.app.parts import seed_of
from streamlearner.app.persistence import make_checkpoints
from streamlearner.config.loading import Config
from streamlearner.daemon.intake import Tally
from streamlearner.daemon.snapshot import tally_of
from streamlearner.decoding.codec import Schema
from streamlearner.errors import ConfigError
from streamlearner.learning.learner import Learner
from streamlearner.learning.merging import continue_from, merge, restore_shard
from streamlearner.learning.shards import NOT_READ
from streamlearner.networks.seeded import SEED_LIMIT
from streamlearner.state.checkpoint import Checkpoint
from streamlearner.state.manifest import MANIFEST
from streamlearner.state.tensor_files import SUFFIX
from streamlearner.stream import Position

STEPS_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class Shard:
    """What a merge reads of a partition's checkpoint: `learner` remembers, and has fresh networks; it is None
    before the first example. `bits` were read for it."""

    learner: Learner | None
    schema: Schema | None
    features: list[str] | None
    position: Position | None
    tally: Tally
    bits: int


class Consolidating:
    """The consolidator's work, on states as a program has them (`embedded_state`)."""

    def __init__(self, config: Config) -> None:
        self._config = config

    def read(self, folder: Path) -> EmbeddedState | None:
        found = self._newest(folder)
        if found is None or found.facts.get("learner") is None:
            return None
        state = EmbeddedState(self._config)
        state.restore(found)
        return state

    def read_shard(self, folder: Path) -> Shard | None:
        """Without networks and ids. What is read is verified by its digests, the rest is not looked at."""
        if (found := self._newest(folder, without=NOT_READ)) is None:
            return None
        state, learned = EmbeddedState(self._config), found.facts["learner"]
        if learned is not None:
            state.schema = Schema.restore(found.facts["schema"])
            state.learner = state.make_learner()
            try:
                restore_shard(state.learner, found.tensors, learned)
            except (RuntimeError, KeyError) as error:
                raise ConfigError(f"checkpoint {found.path} does not fit these settings: {error}") from error
        bits = 8 * (found.read_bytes + (found.path / MANIFEST).stat().st_size)
        features, position = found.facts.get("features"), found.manifest.position
        return Shard(state.learner, state.schema, features, position, tally_of(found.facts), bits)

    def reads(self, name: str) -> bool:
        return name.removesuffix(SUFFIX) not in NOT_READ

    def _newest(self, folder: Path, *, without: Collection[str] = ()) -> Checkpoint | None:
        if not (folder / "checkpoints").is_dir():
            return None
        return make_checkpoints(self._config, folder=folder).latest(without=without)

    def learned(self, folder: Path) -> int:
        newest = max((folder / "checkpoints").glob("[0-9]*"), default=None)
        try:
            told = json.loads((newest / MANIFEST).read_text()) if newest else {}
        except FileNotFoundError:  # it was pruned meanwhile
            return 0
        return int(told.get("examples") or 0)

    def consolidate(
        self, shards: Sequence[Shard], former: EmbeddedState | None, *, number: int
    ) -> tuple[EmbeddedState, bool, dict[str, Any]]:
        """One state of what all hold, whether its sleep was adopted, and what became of it, as JSON. Raises
        ValueError where these cannot be one."""
        whole = EmbeddedState(self._config)
        learners = [shard.learner for shard in shards if shard.learner is not None]
        if not learners:
            raise ValueError("no partition has learned anything yet")
        whole.schema = one_schema(shards)
        whole.features = next((shard.features for shard in shards if shard.features), None)
        whole.position = union([shard.position for shard in shards])
        whole.tally = total([shard.tally for shard in shards])
        whole.learner = learner = whole.make_learner()
        if former is not None and former.learner is not None:
            continue_from(learner, former.learner)
        generator = torch.Generator().manual_seed(
            ((seed_of(self._config, "transplant") << 20) + number) % SEED_LIMIT
        )
        recoded = merge(learner, learners, generator=generator)
        learner.begin_consolidation()
        while (result := learner.consolidate(STEPS_AT_ONCE)) is None:
            pass
        learner.finish_measuring()
        document = {
            "before": result.before,
            "after": result.after,
            "steps": result.steps,
            "recoded": recoded.records,
            "distortion_l1": recoded.distortion_l1,
            "recollections": learner.method.remembered,
            "bits": sum(learner.method.stored_bits().values()),
            "bits_merged": sum(sum(each.method.stored_bits().values()) for each in learners),
            "bits_moved": sum(shard.bits for shard in shards),
            "classes": len(learner.labels),
        }
        return whole, result.adopted, document

    def write(self, state: EmbeddedState, folder: Path) -> None:
        state.save(folder)


def one_schema(shards: Sequence[Shard]) -> Schema:
    """That of the inputs of all. Raises ValueError where they differ."""
    first, *others = [shard.schema for shard in shards if shard.schema is not None]
    for other in others:
        if other != first:
            raise ValueError(f"cannot merge partitions of inputs {first} and {other}: one topic has one kind")
    return first


def union(positions: Sequence[Position | None]) -> Position | None:
    """Where several learners of one topic are, as where one would be."""
    known = [position for position in positions if position is not None]
    if not known:
        return None
    places: dict[str, Any] = {}
    for position in known:
        places |= position["partitions"]
    return {**known[0], "partitions": dict(sorted(places.items(), key=lambda place: int(place[0])))}


def total(tallies: Sequence[Tally]) -> Tally:
    """What all of them counted."""
    found = Tally(reasons=dict(sum((Counter(tally.reasons) for tally in tallies), Counter())))
    for name in (field.name for field in fields(Tally) if field.name != "reasons"):
        setattr(found, name, sum(getattr(tally, name) for tally in tallies))
    return found
