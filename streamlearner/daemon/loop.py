"""The daemon: wake, consolidate, serve, checkpoint. The page to read first."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from streamlearner.daemon import changed_settings, snapshot, tracing, transplants
from streamlearner.daemon.erasures import Erasures
from streamlearner.daemon.intake import TakenBatch
from streamlearner.daemon.persistence import Persistence
from streamlearner.daemon.reports import publish_metrics, status_documents
from streamlearner.daemon.requests import Requests
from streamlearner.daemon.state import IDLE_SLEEP_STEPS, DaemonState, begin_sleep, sleep_due
from streamlearner.decoding.labels import ClassName
from streamlearner.errors import CheckpointError, SourceUnreachable, StreamlearnerError
from streamlearner.learning.learner import Learner
from streamlearner.learning.predictor import Predictor
from streamlearner.learning.progress import Transplant
from streamlearner.learning.results import ConsolidationResult
from streamlearner.serving import Serving

log = logging.getLogger(__name__)


@dataclass(kw_only=True, eq=False)
class Daemon:
    """Learns from a stream while it answers. All but serving runs on the learning thread, which called `run`.
    `resources` are what was opened to build the daemon; `close` closes them."""

    state: DaemonState
    persistence: Persistence
    serving: Serving
    requests: Requests
    resources: ExitStack
    steps_per_batch: int
    evaluate_every_examples: int
    budget_bits: int
    poll_timeout_s: float
    stop_at_end: bool
    clock: Callable[[], float]
    sleep: Callable[[float], None]
    erasures: Erasures = field(init=False)
    took_batch: bool = field(default=False, init=False)
    unkept_rollback: bool = field(default=False, init=False)  # served once kept: a crash may take it back
    stopping: bool = field(default=False, init=False)
    closed: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self.started_s, self.erasures = self.clock(), Erasures(self.state, self.persistence)

    def run(self) -> None:
        """Restores the newest checkpoint, learns until `stop` or the end of the stream, saves, closes.

        Raises fatal errors: `NoReadableCheckpoint` and `ConfigError` before it begins; `SourceUnreachable` at
        the start, `PositionLost` and other `SourceError` at any time; `CheckpointError` where the last
        checkpoint fails. It waits out a lost broker and a full disk.
        """
        if self.closed:
            raise StreamlearnerError("this daemon has ended: build another one")
        try:
            self.restore()
            self.open()
            while not self.stopping:
                self.wake()
                self.consolidate()
                self.requests.run_pending(self)
                if not self.unkept_rollback:
                    self.serving.refresh(self.predictor)
                self.publish()
                if self.persistence.due(self.state.tally.messages):
                    self.checkpoint(aside=True)
            self.drain()
        finally:
            self.close()

    def stop(self) -> None:
        """Asks `run` to save and return. From a signal handler or any thread."""
        self.stopping = True
        self.state.source.interrupt()

    def open(self) -> None:
        """Serves what was restored while the source is opened, which may take minutes."""
        self.serving.start()
        log.info("serving on %s://%s:%d", self.serving.scheme, *self.serving.address)
        self.serving.refresh(self.predictor)
        self.publish()
        try:
            self.state.source.open(self.state.position)
        except SourceUnreachable:
            if not self.stopping:  # `stop` makes it give up
                raise
        else:
            if self.state.position is None and self.state.source.begins_now:
                self.state.position = self.state.source.position
                self.checkpoint()

    def status(self) -> dict[str, Any]:
        """What `GET /v1/status` answers, from any thread: a moment old."""
        return self.requests.status()

    @property
    def learner(self) -> Learner | None:
        return self.state.learner

    def wake(self) -> None:
        """Poll, decode, withhold for the exam, predict, learn."""
        state, self.took_batch = self.state, False
        if self.persistence.waiting:
            return self.sleep(self.poll_timeout_s)
        if state.unfinished and (self.steps_per_batch == 0 or state.owed_steps):
            return
        timeout_s = 0.0 if state.unfinished and state.intake.idle else self.poll_timeout_s
        with state.failures.watched():
            if not state.intake.ready(timeout_s=timeout_s):
                self.stopping |= self.stop_at_end and state.intake.finished and not state.busy
            elif self.learner and not self.learner.has_room(state.intake.full):
                self.learner.teach_ahead(IDLE_SLEEP_STEPS)  # the sleep needs what the batch would replace
            else:
                taken = state.cut()
                tracing.in_span(taken, self.learn)
                state.position, self.took_batch = taken.position, True

    def learn(self, taken: TakenBatch) -> None:
        """Erases, learns each valid new example once, and counts the rest."""
        state, started_s, result = self.state, self.clock(), None
        state.tally.add(taken)
        self.erasures.carry_out(taken.erasures)
        if len(taken.batch):
            state.learner = learner = state.learner or state.make_learner()
            evaluations = learner.progress.learned // self.evaluate_every_examples
            result = learner.learn(taken.batch, one_in=taken.one_in)
            if learner.progress.learned // self.evaluate_every_examples > evaluations:
                learner.begin_evaluation()
        seconds = self.clock() - started_s
        state.events.batch_taken(taken, result=result, learner=state.learner, seconds=seconds)

    # sleep

    def consolidate(self) -> None:
        """Asleep, takes the next few steps, and at the end adopts or refuses; awake, sleeps if it is time.
        After a restart in mid-sleep, first the steps before it are taken again, while the stream waits."""
        learner = self.state.learner
        if learner is None or not learner.progress.learned or self.persistence.waiting:
            return
        if learner.owed_steps:
            return learner.rerun(IDLE_SLEEP_STEPS)
        if not self.took_batch:
            learner.evaluate_next()
        if steps := self.state.sleep_steps(self.steps_per_batch, took_batch=self.took_batch):
            self.state.events.steps_done(steps if learner.asleep else 0)
            if (result := learner.consolidate(steps)) is not None:
                self.end_consolidation(learner, result)
        if (reason := sleep_due(self.state.schedule, learner)) is not None:
            begin_sleep(self.state, learner, reason)

    def end_consolidation(self, learner: Learner, result: ConsolidationResult) -> None:
        self.state.schedule.ended()
        self.state.events.consolidation_ended(result)
        if result.adopted:
            weights, network = learner.method.neocortex.state_dict(), learner.network
            self.persistence.keep_version(result.version, weights, network=network, alone=result.fresh)

    @property
    def predictor(self) -> Predictor | None:
        """What answers now; None before the first valid example."""
        return self.learner.predictor() if self.learner else None

    def publish(self) -> None:
        """New status documents and metrics, once the last are old enough."""
        self.requests.heartbeat(learning=not self.persistence.waiting)
        if not (self.requests.documents_due or self.stopping):
            return
        documents = status_documents(
            self.state,
            self.persistence,
            served=self.serving,
            uptime_s=self.clock() - self.started_s,
            budget_bits=self.budget_bits,
        )
        self.requests.publish(documents)
        publish_metrics(self.state, documents)

    # requests, by name (`requests.LearningThread`)

    def recollecting(self, per_class: int) -> Callable[[], list[tuple[ClassName, Tensor]]]:
        """What decodes up to `per_class` recollections of each class, in any thread."""
        return self.learner.recollecting(per_class) if self.learner else list

    def rollback(self, version: int) -> None:
        """Returns to an adopted version, durably. Raises LookupError for one that is not kept."""
        if self.learner is None:
            raise LookupError("no model version yet: nothing has been learned")
        found, asleep = self.persistence.versions.load(version), self.state.asleep
        self.learner.revert(found)
        self.state.schedule.ended()
        self.learner.evaluate()
        self.state.events.rolled_back(version, while_asleep=asleep)
        self.unkept_rollback = True
        self.checkpoint()

    def begin_transplant(self, to: str | None, steps: int | None) -> Transplant:
        """Begins to teach the network `to`, or a fresh one, durably: a restart goes on with it."""
        begun = transplants.begin_transplant(self.state, to=to, steps=steps, method=self.persistence.method)
        self.checkpoint()
        return begun

    def checkpoint(self, *, aside: bool = False) -> None:
        """Weights, memory, generators, position: one unit. On failure the stream waits for a retry. One that
        is only due (`aside`) waits for a readout under way."""
        if self.state.position is None or (aside and self.state.probing and not self.persistence.waiting):
            return
        try:
            self.persistence.save(snapshot.capture(self.state, self.state.position), aside=aside)
            self.state.events.checkpoint_saved()
            self.unkept_rollback = False
        except StreamlearnerError as error:
            log.error("%s; the stream waits, next try in %g s", error, self.persistence.retry_s)

    def restore(self) -> None:
        """Goes on from the newest readable checkpoint, if there is any."""
        state = self.state
        state.failures.recover()
        if (found := self.persistence.latest()) is not None:
            changed_settings.restore(state, found, settings=self.persistence.settings)
            log.info("restored checkpoint %d: %d messages taken", found.number, state.tally.messages)
        state.intake.taken = state.tally.messages
        state.follow(self.persistence.restored(state.tally.messages, newest_version=state.newest_version))
        state.events.restored(state.learner)

    def drain(self) -> None:
        """The last checkpoint. Raises CheckpointError without it: nothing is lost, but read again."""
        self.checkpoint()
        self.publish()  # stopped since the last time, what the status says would be a moment old for good
        if self.persistence.waiting:
            lost = "nothing is lost, the next run reads the stream again from the checkpoint before"
            raise CheckpointError(f"stopped without a last checkpoint (the log says why): {lost}")

    def close(self) -> None:
        """Frees the port, the source and all that was opened for the daemon. Safe to call twice."""
        self.closed = True
        with self.resources:
            self.requests.close()
            self.serving.stop()
            self.state.source.close()
