"""What a program's Learner is between two calls: what a daemon's checkpoint holds, read and written as
one."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import ArrayLike
from torch import Tensor

from streamlearner.app.assembly import make_schedule
from streamlearner.app.intake import batch_sizes, most_names
from streamlearner.app.learning import check_method, make_learner
from streamlearner.app.parts import check_device, check_network, make_eye, make_limits
from streamlearner.app.persistence import make_checkpoints
from streamlearner.config.loading import Config
from streamlearner.daemon import snapshot
from streamlearner.daemon.intake import Tally
from streamlearner.daemon.known_ids import ErasedIds, RememberedIds
from streamlearner.daemon.name_ceiling import Known, NameCeiling
from streamlearner.daemon.state import sleep_due
from streamlearner.decoding.arrays import read_features, read_input, read_inputs
from streamlearner.decoding.batch import Batch
from streamlearner.decoding.erasures import Erasure
from streamlearner.decoding.inputs import Schema
from streamlearner.errors import CheckpointError, ConfigError, InvalidInput, NothingLearned
from streamlearner.learning.erasing import Erased, erase
from streamlearner.learning.learner import Learner
from streamlearner.learning.predictor import Predictor
from streamlearner.state.checkpoint import Checkpoint
from streamlearner.state.lock import StateLock
from streamlearner.state.versions import Versions
from streamlearner.stream import Position

log = logging.getLogger(__name__)

STEPS_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class SleepResult:
    """How a sleep ended. `adopted`: accuracy on the exam, `before` and `after` (fractions; None while the
    exam is empty), fell by no more than `sleep.tolerance`; what was consolidated answers now, as model
    `version`. Else everything is as it was. `steps`: optimiser steps taken."""

    adopted: bool
    before: float | None
    after: float | None
    steps: int
    version: int


class EmbeddedState:
    """Learns and sleeps as `daemon.loop` does, batch for batch, without a source and without serving.

    `position` is that of the daemon whose state this was, kept for the one that may take over; None: the
    stream is to be read from its beginning. `features` are the names of the inputs' numbers, where they came
    by name.
    """

    def __init__(self, config: Config) -> None:
        check_device(config)
        check_network(config, fetch=True)  # inputs, and with them the network, come later
        check_method(config)
        self.config, self.eye, self.limits = config, make_eye(config), make_limits(config)
        self.learner: Learner | None = None  # until the first example
        self.schema: Schema | None = None
        self.features: list[str] | None = None
        self.position: Position | None = None
        self.ids = RememberedIds(window=config.codec.remembered_ids)
        self.erased = ErasedIds(window=config.codec.erased_ids)
        self.tally = Tally()
        self.schedule = make_schedule(config)

    def read_inputs(self, values: ArrayLike) -> Tensor:
        """As many as there are rows. Raises `InvalidInput`."""
        return read_inputs(values, schema=self.schema, limits=self.limits)

    def read_input(self, value: ArrayLike | Mapping[str, Any]) -> Tensor:
        """One, as an array or by the names of its numbers. Raises `InvalidInput`."""
        if isinstance(value, Mapping):
            value = read_features(value, names=self.features or sorted(value), limits=self.limits)
        return read_input(value, schema=self.schema, limits=self.limits)

    def learn_all(self, examples: Batch) -> None:
        """In batches, in order. An error of one has a note that names its rows and ids. Raises `InvalidInput`
        before the first where one would be a class or a task too many."""
        self._refuse_beyond(examples)
        count, size = len(examples), batch_sizes(self.config)[0]
        for start in range(0, count, size):
            rows = list(range(start, min(start + size, count)))
            try:
                self.learn(examples.select(rows))
            except Exception as error:
                ids = [examples.ids[row] for row in rows if examples.ids[row] is not None]
                called = f" (ids {', '.join(map(str, ids))})" if ids else ""
                error.add_note(f"while learning X[{start}:{rows[-1] + 1}] of {count}{called}")
                raise

    def _refuse_beyond(self, examples: Batch) -> None:
        known = Known(self.learner.labels, self.learner.tasks) if self.learner else Known()
        ceiling = NameCeiling(known, most=most_names(self.config))
        for row, (label, task) in enumerate(zip(examples.labels, examples.tasks, strict=True)):
            if refusal := ceiling.refusal(label, task):
                raise InvalidInput(refusal[0], f"y[{row}]: {refusal[1]}")
            ceiling.open(label, task)

    def learn(self, batch: Batch) -> None:
        """Each example whose id is new; then what is due of sleep."""
        if self.learner and self.learner.asleep and not self.config.sleep.steps_per_batch:
            self._end_sleep(self.learner)
        self.ids.version = self.learner.progress.newest if self.learner else 0
        gone = sum(name is not None and name in self.erased for name in batch.ids)
        fresh = [place for place, name in enumerate(batch.ids) if name is None or self._is_new(name)]
        self.tally.messages += len(batch)
        self.tally.erased += gone
        self.tally.duplicate += len(batch) - len(fresh) - gone
        if fresh:
            self.learner = self.learner or self._first_learner(batch)
            self.learner.learn(batch.select(fresh))
        self._consolidate()

    def _is_new(self, name: str) -> bool:
        return name not in self.erased and self.ids.admit(name)

    def erase(self, erasure: Erasure) -> Erased:
        """Takes back what was learned of it; an erased id is not learned again."""
        learned = erasure.id is not None and self.ids.drop(erasure.id) is not None
        if erasure.id is not None:
            self.erased.add(erasure.id)
        return erase(self.learner, erasure, learned=learned) if self.learner else Erased()

    def _first_learner(self, batch: Batch) -> Learner:
        dtype = str(batch.inputs.dtype).removeprefix("torch.")
        schema = Schema(shape=tuple(batch.inputs.shape[1:]), dtype=dtype)
        try:
            learner = make_learner(self.config, schema=schema, eye=self.eye)
        except ValueError as error:
            raise ConfigError(f"these settings are not for inputs {schema}: {error}") from error
        self.schema = schema
        return learner

    def make_learner(self) -> Learner:
        assert self.schema is not None, "a learner before its first example"
        return make_learner(self.config, schema=self.schema, eye=self.eye)

    # sleep

    def _consolidate(self) -> None:
        """The next steps of a sleep that goes on beside learning; and each sleep that is due."""
        learner, steps = self.learner, self.config.sleep.steps_per_batch
        if learner is None or not learner.progress.learned:
            return
        if learner.asleep and learner.consolidate(steps) is not None:
            self.schedule.ended()
        while sleep_due(self.schedule, learner):
            self._begin_sleep(learner)
            if not steps:
                self._end_sleep(learner)

    def sleep(self) -> SleepResult:
        """A whole sleep, or the rest of the one that is under way. Raises `NothingLearned`."""
        if self.learner is None or not self.learner.progress.learned:
            raise NothingLearned("nothing has been learned yet that a sleep could consolidate")
        if not self.learner.asleep:
            self.schedule.request()
            self._begin_sleep(self.learner)
        result = self._end_sleep(self.learner)
        self._consolidate()
        return result

    def _begin_sleep(self, learner: Learner) -> None:
        learner.begin_consolidation(share=self.schedule.began(learner.progress.learned))

    def _end_sleep(self, learner: Learner) -> SleepResult:
        """What is left of it, at once; interrupted (Ctrl-C), it changes nothing."""
        try:
            while (end := learner.consolidate(STEPS_AT_ONCE)) is None:
                pass
            learner.finish_measuring()
        except BaseException:  # a generator that raised would look like one that has ended
            learner.abandon_consolidation()
            raise
        finally:
            self.schedule.ended()
        return SleepResult(
            adopted=end.adopted, before=end.before, after=end.after, steps=end.steps, version=end.version
        )

    def predictor(self) -> Predictor:
        """What answers now. Raises `NothingLearned` while there is no class to answer with."""
        if self.learner is None or not self.learner.method.classes:
            raise NothingLearned("nothing has been learned yet: there is no class to predict")
        return self.learner.predictor()

    # checkpoint

    def save(self, folder: Path) -> None:
        """One more checkpoint in a state folder; durable when it returns."""
        with StateLock(folder):
            store = make_checkpoints(self.config, folder=folder)
            store.save(
                tensors=snapshot.tensors(self),
                facts=snapshot.facts(self) | {"settings": self.config.learning(), "features": self.features},
                position=self.position,
                method=self.config.method.name,
                config_digest=self.config.digest(),
                examples=self.learner.progress.learned if self.learner else 0,
            )
            store.prune()

    def restore(self, found: Checkpoint) -> None:
        """Goes on from there. Raises ConfigError where these settings do not fit."""
        try:
            snapshot.restore(self, found)
        except (RuntimeError, KeyError) as error:
            raise ConfigError(f"checkpoint {found.path} does not fit these settings: {error}") from error
        if self.learner:
            used = Versions(found.path.parents[1] / "versions", keep=1).used(self.learner.progress.newest)
            self.learner.progress.follow(newest=used.newest, rollbacks=used.rollbacks)
        self.features = found.facts.get("features")
        if self.learner and self.learner.labels.factors.keys() - {None}:
            raise ConfigError(
                f"checkpoint {found.path} has labels of several factors; only a daemon answers with such"
            )


def read_checkpoint(folder: Path) -> Checkpoint:
    """The newest of a state folder that can be read. Raises `CheckpointError` where there is none."""
    found = None
    if (folder / "checkpoints").is_dir():
        found = make_checkpoints(Config(), folder=folder).latest()
    if found is None:
        raise CheckpointError(
            f"there is no checkpoint in {folder.absolute()}; expected the folder of a `save`, or a "
            "daemon's state_dir"
        )
    for skipped in found.skipped:
        log.warning("checkpoint %d was skipped: %s", skipped.number, skipped.problem)
    return found
