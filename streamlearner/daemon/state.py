"""What the daemon works on: one dataclass, which snapshot, reports and transplants take whole."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from streamlearner.daemon.events import Events
from streamlearner.daemon.intake import Intake, Tally
from streamlearner.daemon.known_ids import ErasedIds, RememberedIds
from streamlearner.daemon.learning_failures import LearningFailures
from streamlearner.daemon.name_ceiling import Known
from streamlearner.daemon.sleep_schedule import SleepSchedule
from streamlearner.daemon.taken import TakenBatch
from streamlearner.decoding.codec import Schema
from streamlearner.learning.learner import Learner
from streamlearner.state.versions import Lineage
from streamlearner.stream import Position, Source

log = logging.getLogger(__name__)

IDLE_SLEEP_STEPS = 16
"""At a time, where none or all wait for the sleep: tens of milliseconds, which requests and signals wait."""


@dataclass(slots=True)
class DaemonState:
    """Only the learning thread touches it.

    `learner` is None until the first valid example; `position` is that after the last batch, None where the
    source is to start at its beginning; `tally` counts the messages taken.
    """

    intake: Intake
    schedule: SleepSchedule
    events: Events
    failures: LearningFailures
    learner_factory: Callable[[Schema], Learner]
    learner: Learner | None = None
    position: Position | None = None
    tally: Tally = field(default_factory=Tally)
    lineage: Lineage = field(default_factory=Lineage)

    @property
    def source(self) -> Source:
        return self.intake.source

    @property
    def ids(self) -> RememberedIds:
        return self.intake.ids

    @property
    def erased(self) -> ErasedIds:
        return self.intake.erased

    @property
    def schema(self) -> Schema | None:
        return self.intake.codec.schema

    @schema.setter
    def schema(self, schema: Schema | None) -> None:
        self.intake.codec.schema = schema

    def cut(self) -> TakenBatch:
        """The batch that is ready; the ids in it are newer than the newest model version."""
        self.ids.version = self.newest_version
        return self.intake.cut(known=self.known)

    @property
    def known(self) -> Known:
        return Known() if self.learner is None else Known(self.learner.labels, self.learner.tasks)

    @property
    def asleep(self) -> bool:
        return self.learner is not None and self.learner.asleep

    @property
    def unfinished(self) -> bool:
        return self.learner is not None and self.learner.unfinished

    @property
    def probing(self) -> bool:
        """Whether a readout is being measured."""
        return self.learner is not None and self.learner.probing is not None

    @property
    def busy(self) -> bool:
        """Whether something is under way that goes on without a batch: this, or an evaluation."""
        return self.unfinished or (self.learner is not None and self.learner.evaluation is not None)

    @property
    def owed_steps(self) -> int:
        return 0 if self.learner is None else self.learner.owed_steps

    def sleep_steps(self, steps_per_batch: int, *, took_batch: bool) -> int:
        """So many for each batch, so that a run can be repeated; more only while no batch is to come soon;
        none awake, with nothing left to measure."""
        if not self.unfinished:
            return 0
        if steps_per_batch and took_batch:
            return steps_per_batch * self.intake.usual_batches
        return IDLE_SLEEP_STEPS if not steps_per_batch or self.intake.idle else 0

    def make_learner(self) -> Learner:
        """A fresh learner for inputs of the stream's schema, which the first valid example has set."""
        assert self.schema is not None, "a decoded batch without a schema"
        log.info("inputs are %s", self.schema)
        learner = self.learner_factory(self.schema)
        learner.progress.follow(newest=self.lineage.newest, rollbacks=self.lineage.rollbacks)
        return learner

    @property
    def newest_version(self) -> int:
        return 0 if self.learner is None else self.learner.progress.newest

    def follow(self, lineage: Lineage) -> None:
        """What futures that were abandoned have used up is not used again."""
        self.lineage = lineage
        if self.learner is not None:
            self.learner.progress.follow(newest=lineage.newest, rollbacks=lineage.rollbacks)


def sleep_due(schedule: SleepSchedule, learner: Learner) -> str | None:
    """The reason to sleep now, after a batch (`SleepSchedule.due`); None: stay awake, or what came of the
    last sleep is measured first."""
    reason = schedule.due(
        examples=learner.progress.learned,
        fullness=learner.method.fullness,
        falls=learner.served.falls,
        prequential_accuracy=learner.prequential.accuracy if learner.prequential.is_full else None,
    )
    return None if learner.unfinished else reason


def begin_sleep(state: DaemonState, learner: Learner, reason: str) -> None:
    """Begins the sleep that is due."""
    learner.begin_consolidation(share=state.schedule.began(learner.progress.learned))
    state.events.sleep_began(reason, examples=learner.progress.learned)
