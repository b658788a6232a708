"""The daemon: wake, sleep, serve, checkpoint. The page to read first."""

from __future__ import annotations

import logging
from collections.abc import Callable

from streamlearner.daemon import snapshot as moment
from streamlearner.daemon.events import Reporter, Tally
from streamlearner.daemon.intake import Delivery, Intake
from streamlearner.daemon.persistence import Archive
from streamlearner.daemon.requests import Reception
from streamlearner.daemon.sleep_schedule import SleepSchedule
from streamlearner.decoding.codec import Schema
from streamlearner.errors import CheckpointError, SourceUnreachable, StreamlearnerError
from streamlearner.learning.consolidation import Verdict
from streamlearner.learning.learner import Learner
from streamlearner.serving import Serving
from streamlearner.stream import Position, Source

log = logging.getLogger(__name__)

IDLE_SLEEP_STEPS = 16
"""Steps at a time while nothing arrives, or while the stream waits for the sleep: tens of milliseconds, so
that requests and signals are heard."""


class Daemon:
    """Learns from a stream while it answers. All but serving runs on the one thread that calls `run`."""

    def __init__(
        self,
        *,
        source: Source,
        intake: Intake,
        make_learner: Callable[[Schema], Learner],
        schedule: SleepSchedule,
        archive: Archive,
        serving: Serving,
        reception: Reception,
        reporter: Reporter,
        steps_per_batch: int,
        grade_every_examples: int,
        poll_timeout_s: float,
        stop_at_end: bool,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
    ) -> None:
        self.source = source
        self.intake = intake
        self.make_learner = make_learner
        self.schedule = schedule
        self.archive = archive
        self.serving = serving
        self.reception = reception
        self.reporter = reporter
        self.steps_per_batch = steps_per_batch
        self.grade_every_examples = grade_every_examples
        self.poll_timeout_s = poll_timeout_s
        self.stop_at_end = stop_at_end
        self.clock = clock
        self.sleep = sleep
        self.learner: Learner | None = None  # until the first good example
        self.position: Position | None = None  # of what was learned; until then what the source begins with
        self.tally = Tally()
        self.took_batch = False
        self.stopping = False

    def run(self) -> None:
        """Restores, learns until `stop`, drains with a last checkpoint. Raises what cannot be lived with."""
        try:
            self.restore()
            self.serving.start()
            self.answer()
            self.open()
            while not self.stopping:
                self.wake()
                self.dream()
                self.answer()
                if self.archive.due(self.tally.messages):
                    self.checkpoint()
            self.drain()
        finally:
            self.close()

    def stop(self) -> None:
        """Asks `run` to drain and return. From a signal handler or any thread."""
        self.stopping = True
        self.source.interrupt()

    def open(self) -> None:
        try:
            self.source.open(self.position)
        except SourceUnreachable:
            if not self.stopping:  # then it only gave up waiting because it was told to
                raise

    # wake

    def wake(self) -> None:
        """Poll, decode, withhold for the exam, predict, learn."""
        self.took_batch = False
        if self.archive.waiting:
            self.sleep(self.poll_timeout_s)
            return
        if self.asleep and self.steps_per_batch == 0:
            return
        idle = self.asleep and self.intake.idle
        delivery = self.intake.take(timeout_s=0.0 if idle else self.poll_timeout_s)
        if delivery is not None:
            self.learn(delivery)
            self.position = delivery.position
            self.took_batch = True
        elif self.stop_at_end and self.intake.finished and not self.asleep:
            self.stopping = True

    def learn(self, delivery: Delivery) -> None:
        """Each valid new example once; the rest is counted."""
        started_s, lesson = self.clock(), None
        self.tally.add(delivery)
        if len(delivery.batch):
            self.learner = learner = self.learner or self.born()
            exams = learner.progress.learned // self.grade_every_examples
            lesson = learner.learn(delivery.batch)
            if learner.progress.learned // self.grade_every_examples > exams:
                learner.grade()
        accuracy = self.learner.prequential.accuracy if self.learner else None
        self.reporter.took(delivery, lesson=lesson, accuracy=accuracy, seconds=self.clock() - started_s)

    def born(self) -> Learner:
        """The first good example says what inputs look like; now the networks can be built."""
        schema = self.intake.codec.schema
        assert schema is not None, "a decoded batch without a schema"
        log.info("inputs are %s %s", schema.dtype, list(schema.shape))
        return self.make_learner(schema)

    # sleep

    @property
    def asleep(self) -> bool:
        return self.learner is not None and self.learner.asleep

    def dream(self) -> None:
        """Asleep, takes the next few steps and at the end adopts or discards; awake, sleeps if it is time."""
        learner = self.learner
        if learner is None or not learner.progress.learned or self.archive.waiting:
            return
        if learner.asleep and (steps := self.steps_now()):
            verdict = learner.consolidate(steps)
            self.reporter.dreamt(steps)
            if verdict is not None:
                self.wake_up(learner, verdict)
        reason = self.schedule.due(
            examples=learner.progress.learned,
            fullness=learner.method.fullness,
            prequential_accuracy=learner.prequential.accuracy if learner.prequential.settled else None,
        )
        if reason is not None:
            self.schedule.began(learner.progress.learned)
            learner.fall_asleep()
            self.reporter.fell_asleep(reason, examples=learner.progress.learned)

    def wake_up(self, learner: Learner, verdict: Verdict) -> None:
        self.schedule.ended()
        self.reporter.woke_up(verdict)
        if verdict.adopted:
            weights, network = learner.method.neocortex.state_dict(), learner.network
            self.archive.keep_version(verdict.version, weights, network=network)

    def steps_now(self) -> int:
        """Steps go with batches, so that a run can be repeated; alone only where no batch is to come soon."""
        if self.steps_per_batch == 0:
            return IDLE_SLEEP_STEPS
        if self.took_batch:
            return self.steps_per_batch
        return IDLE_SLEEP_STEPS if self.intake.idle else 0

    # serve

    def answer(self) -> None:
        """Serving gets its fresh copy and the figures; requests that need this thread are done here."""
        self.reception.run_errands(self)
        if self.learner is not None:
            progress = self.learner.progress
            self.serving.refresh(
                self.learner.predictor(), version=str(progress.version), examples=progress.learned
            )
        self.reception.publish(self)

    def rollback(self, version: int) -> None:
        """Returns to an adopted version, durably. Raises LookupError for one that is not kept."""
        if self.learner is None:
            raise LookupError("no model version yet: nothing has been learned")
        found, asleep = self.archive.versions.load(version), self.asleep
        self.learner.revert(found)
        self.schedule.ended()
        self.learner.grade()
        self.reporter.rolled_back(version, while_asleep=asleep)
        self.checkpoint()

    # checkpoint

    def checkpoint(self) -> None:
        """Weights, memory, generators and position: one unit. On failure the stream waits for a later try."""
        if self.position is None:
            return
        try:
            self.archive.save(moment.take(self, self.position))
            self.reporter.saved()
        except StreamlearnerError as error:
            log.error("%s; the stream waits, next try in %g s", error, self.archive.retry_s)

    def restore(self) -> None:
        """Goes on from the newest checkpoint that can be read, if there is any."""
        found = self.archive.latest()
        if found is None:
            return
        moment.put_back(self, found)
        self.archive.restored(self.tally.messages)
        self.reporter.restored(self.learner)
        log.info("restored checkpoint %d: %d messages taken", found.number, self.tally.messages)

    def drain(self) -> None:
        """The last checkpoint. Raises CheckpointError without it: nothing is lost, but read again."""
        self.checkpoint()
        if self.archive.waiting:
            raise CheckpointError(
                "stopped without a last checkpoint (the log says why): nothing is lost, the next run reads "
                "the stream again from the checkpoint before"
            )

    def close(self) -> None:
        self.reception.close()
        self.serving.stop()
        self.source.close()
        self.archive.close()
