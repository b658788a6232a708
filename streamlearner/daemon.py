"""The daemon: wake, sleep, serve, checkpoint. The page to read first."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from streamlearner.checkpoint import Checkpoint, CheckpointStore
from streamlearner.codec import Schema
from streamlearner.errors import ConfigError, StreamlearnerError
from streamlearner.intake import Delivery, Intake
from streamlearner.learner import Learner, Verdict
from streamlearner.metrics import Metrics
from streamlearner.reception import Reception
from streamlearner.serving import Serving
from streamlearner.sleep import SleepSchedule
from streamlearner.stream import Position, Reject, Source
from streamlearner.versions import Versions

log = logging.getLogger(__name__)

IDLE_SLEEP_STEPS = 16
"""Steps at a time while nothing arrives, or while the stream waits for the sleep: some tens of milliseconds, so that
requests and signals are still heard."""


class DeadLetters(Protocol):
    """Where rejects rest (`connectors.dead_letters` has two)."""

    def write(self, rejects: list[Reject]) -> None: ...
    def flush(self, timeout_s: float) -> None: ...
    def close(self) -> None: ...


@dataclass(slots=True)
class Tally:
    """Messages by what became of them. With the learner's own counts they add up to all that was taken."""

    messages: int = 0
    rejected: int = 0
    duplicate: int = 0
    reasons: dict[str, int] = field(default_factory=dict)


class Daemon:
    """Learns from a stream while it answers. Everything but serving runs on the one thread that calls `run`."""

    def __init__(
        self,
        *,
        source: Source,
        intake: Intake,
        dead_letters: DeadLetters,
        make_learner: Callable[[Schema], Learner],
        schedule: SleepSchedule,
        checkpoints: CheckpointStore,
        versions: Versions,
        serving: Serving,
        reception: Reception,
        metrics: Metrics,
        method: str,
        config_digest: str,
        steps_per_batch: int,
        grade_every_examples: int,
        checkpoint_every_examples: int | None,
        checkpoint_every_s: float | None,
        checkpoint_retry_s: float,
        poll_timeout_s: float,
        stop_at_end: bool,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
    ) -> None:
        self.source = source
        self.intake = intake
        self.dead_letters = dead_letters
        self.make_learner = make_learner
        self.schedule = schedule
        self.checkpoints = checkpoints
        self.versions = versions
        self.serving = serving
        self.reception = reception
        self.metrics = metrics
        self.method = method
        self.config_digest = config_digest
        self.steps_per_batch = steps_per_batch
        self.grade_every_examples = grade_every_examples
        self.checkpoint_every_examples = checkpoint_every_examples
        self.checkpoint_every_s = checkpoint_every_s
        self.checkpoint_retry_s = checkpoint_retry_s
        self.poll_timeout_s = poll_timeout_s
        self.stop_at_end = stop_at_end
        self.clock = clock
        self.wall_clock = wall_clock
        self.stopping = False
        self.learner: Learner | None = None
        self.position: Position | None = None
        self.tally = Tally()
        self.saved_at = clock()
        self.saved_messages = 0
        self.blocked_until = 0.0
        self.unsaved_version = False
        self.learned_now = False
        self.asleep_since = clock()

    def run(self) -> None:
        """Restores, then learns until `stopping`; drains with a last checkpoint."""
        self.restore()
        self.serving.start()
        try:
            self.source.open(self.position)
            while not self.stopping:
                self.wake()
                self.dream()
                self.answer()
                if self.checkpoint_due():
                    self.checkpoint()
            self.checkpoint()
        finally:
            self.close()

    def stop(self) -> None:
        """Asks `run` to drain and return. From a signal handler or any thread."""
        self.stopping = True
        self.source.interrupt()

    # wake

    def wake(self) -> None:
        """Poll, decode, withhold for the exam, predict, learn."""
        self.learned_now = False
        if self.stream_waits:
            return
        delivery = self.intake.take(timeout_s=0.0 if self.dreaming else self.poll_timeout_s)
        if delivery is None:
            self.stopping |= self.stop_at_end and self.intake.finished and not self.dreaming
            return
        self.learn(delivery)
        self.position = delivery.position
        self.learned_now = True

    def learn(self, delivery: Delivery) -> None:
        """Each valid new example once; the rest is counted."""
        started = self.clock()
        self.tally.messages += delivery.messages
        self.tally.duplicate += delivery.duplicates
        for reason, count in delivery.rejects.items():
            self.tally.rejected += count
            self.tally.reasons[reason] = self.tally.reasons.get(reason, 0) + count
            for _ in range(count):
                self.metrics.count_reject(reason)
        lesson = None
        if len(delivery.batch):
            self.learner = self.learner or self.born()
            before = self.learner.progress.learned // self.grade_every_examples
            lesson = self.learner.learn(delivery.batch)
            if self.learner.progress.learned // self.grade_every_examples > before:
                self.learner.grade()
        seen = lesson.observation if lesson else None
        self.metrics.observe_batch(
            learned=lesson.learned if lesson else 0,
            withheld=lesson.withheld if lesson else 0,
            duplicates=delivery.duplicates,
            seconds=self.clock() - started,
            now_s=self.wall_clock(),
            loss=seen.loss if seen else None,
            distortion_l1=seen.distortion_l1 if seen else None,
            prequential_accuracy=self.learner.prequential.accuracy if self.learner else None,
        )

    def born(self) -> Learner:
        """The first good example says what inputs look like; now the networks can be built."""
        schema = self.intake.codec.schema
        assert schema is not None, "a decoded batch without a schema"
        log.info("first example: inputs are %s %s", schema.dtype, list(schema.shape))
        return self.make_learner(schema)

    @property
    def stream_waits(self) -> bool:
        """While a checkpoint cannot be written, and during a sleep that pauses the stream."""
        return self.blocked_until > 0 or (self.dreaming and self.steps_per_batch == 0)

    # sleep

    @property
    def dreaming(self) -> bool:
        return self.learner is not None and self.learner.asleep

    def dream(self) -> None:
        """If it is time, falls asleep; if asleep, the next few consolidation steps; adopts or discards at the end."""
        learner = self.learner
        if learner is None or not learner.progress.learned or self.blocked_until > 0:
            return
        reason = self.schedule.due(
            examples=learner.progress.learned,
            memory_full=learner.method.full,
            prequential_accuracy=learner.prequential.accuracy if learner.prequential.settled else None,
        )
        if reason is not None:
            self.schedule.began(learner.progress.learned)
            learner.fall_asleep()
            self.metrics.begin_sleep()
            self.asleep_since = self.clock()
            log.info("asleep (%s) after %d examples", reason, learner.progress.learned)
        if learner.asleep and (steps := self.steps_now()):
            verdict = learner.consolidate(steps)
            self.metrics.count_sleep_steps(steps)
            if verdict is not None:
                self.wake_up(learner, verdict)

    def steps_now(self) -> int:
        """Steps go with batches, so that a run can be repeated; alone only where no batch is to come for a while."""
        if self.steps_per_batch == 0:
            return IDLE_SLEEP_STEPS
        if self.learned_now:
            return self.steps_per_batch
        return IDLE_SLEEP_STEPS if self.intake.idle else 0

    def wake_up(self, learner: Learner, verdict: Verdict) -> None:
        self.schedule.ended()
        if verdict.adopted:
            self.unsaved_version = True
            self.metrics.publish_version(str(verdict.version), adopted_s=self.wall_clock())
        outcome = "adopted" if verdict.adopted else "refused"
        self.metrics.end_sleep(outcome=outcome, seconds=self.clock() - self.asleep_since)
        log.info(
            "sleep %s after %d steps: exam %s before, %s after; model version %d",
            outcome, verdict.steps,
            _percent(verdict.before), _percent(verdict.after), verdict.version,
        )  # fmt: skip

    # serve

    def answer(self) -> None:
        """Serving gets its fresh copy and the figures; requests that need this thread are done here."""
        self.reception.run_errands(self)
        if self.learner is not None:
            self.serving.refresh(
                self.learner.predictor(),
                version=str(self.learner.progress.version),
                examples=self.learner.progress.learned,
            )
        self.reception.publish(self)

    def rollback(self, version: int) -> None:
        """Returns to an adopted version and makes that durable. Raises LookupError for one that is not kept."""
        if self.learner is None:
            raise LookupError("no model version yet: nothing has been learned")
        self.learner.revert(version=version, neocortex=self.versions.load(version))
        self.schedule.ended()
        self.learner.grade()
        log.warning("rolled back to model version %d", version)
        self.checkpoint()

    # checkpoint

    def checkpoint_due(self) -> bool:
        if self.blocked_until > 0:
            return self.clock() >= self.blocked_until
        if self.unsaved_version:
            return True
        fresh = self.tally.messages - self.saved_messages
        if self.checkpoint_every_examples is not None and fresh >= self.checkpoint_every_examples:
            return True
        waited = self.clock() - self.saved_at
        return fresh > 0 and self.checkpoint_every_s is not None and waited >= self.checkpoint_every_s

    def checkpoint(self) -> None:
        """Weights, memory, generators and position, as one unit. On failure the stream waits and it is tried again."""
        if self.position is None:
            return
        started = self.clock()
        try:
            self.dead_letters.flush(timeout_s=self.checkpoint_retry_s)
            if self.learner and self.unsaved_version:
                self.versions.save(self.learner.progress.version, self.learner.method.neocortex.state_dict())
            self.checkpoints.save(
                tensors=self.tensors(),
                facts=self.facts(),
                position=self.position,
                method=self.method,
                config_digest=self.config_digest,
                examples=self.learner.progress.learned if self.learner else 0,
            )
            self.checkpoints.prune()
        except StreamlearnerError as error:
            self.blocked_until = self.clock() + self.checkpoint_retry_s
            self.metrics.count_checkpoint_failure()
            log.error("%s; the stream waits, next try in %g s", error, self.checkpoint_retry_s)
            return
        self.blocked_until, self.unsaved_version = 0.0, False
        self.saved_at, self.saved_messages = self.clock(), self.tally.messages
        self.metrics.observe_checkpoint(
            seconds=self.clock() - started, size_bytes=self.checkpoints.size_bytes(), now_s=self.wall_clock()
        )
        self.source.commit(self.position)
        oldest = self.checkpoints.oldest_position()
        if oldest is not None:
            self.source.release(oldest)

    def tensors(self) -> dict[str, Any]:
        intake = {"intake": {"ids": self.intake.ids.state()}}
        return intake | (self.learner.tensors() if self.learner else {})

    def facts(self) -> dict[str, Any]:
        schema = self.intake.codec.schema
        return {
            "tally": asdict(self.tally),
            "schedule": self.schedule.state(),
            "schema": None if schema is None else schema.state(),
            "learner": self.learner.facts() if self.learner else None,
        }

    def restore(self) -> None:
        """Takes up the newest checkpoint that can be read, if there is any."""
        found = self.checkpoints.latest()
        if found is None:
            return
        self._check_same_method(found)
        facts = found.facts
        self.position = found.manifest.position
        self.tally = Tally(**facts["tally"])
        self.schedule.restore(facts["schedule"])
        self.intake.ids.restore(found.tensors["intake"]["ids"])
        if facts["schema"] is not None:
            self.intake.codec.schema = Schema.restore(facts["schema"])
        if facts["learner"] is not None:
            self.learner = self.born()
            self.learner.restore(found.tensors, facts["learner"])
        self.saved_messages = self.tally.messages
        for skipped in found.skipped:
            self.metrics.count_unreadable_checkpoint()
            log.error("checkpoint %d was skipped: %s", skipped.number, skipped.problem)
        log.info("restored checkpoint %d: %d messages taken", found.number, self.tally.messages)

    def _check_same_method(self, found: Checkpoint) -> None:
        if found.manifest.method != self.method:
            raise ConfigError(
                f"checkpoint {found.path} was learned by method {found.manifest.method}, the configuration says "
                f"{self.method}: set method.name back, or choose another state_dir"
            )
        if found.manifest.config_digest != self.config_digest:
            log.warning("settings that shape learning have changed since checkpoint %d", found.number)

    def close(self) -> None:
        self.serving.stop()
        self.source.close()
        self.dead_letters.close()


def _percent(share: float | None) -> str:
    return "nothing to sit" if share is None else f"{share:.1%}"
