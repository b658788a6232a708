"""What happens in the daemon, told as it happens: log lines and Prometheus counters."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from streamlearner.daemon.intake import Delivery
from streamlearner.learning.consolidation import Lesson, Transplant, Verdict
from streamlearner.learning.learner import Learner
from streamlearner.telemetry.metrics import Metrics

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Tally:
    """Messages by what became of them. With the learner's own counts they add up to all that was taken."""

    messages: int = 0
    rejected: int = 0
    duplicate: int = 0
    reasons: dict[str, int] = field(default_factory=dict)

    def add(self, delivery: Delivery) -> None:
        self.messages += delivery.messages
        self.duplicate += delivery.duplicates
        for reason, count in delivery.rejects.items():
            self.rejected += count
            self.reasons[reason] = self.reasons.get(reason, 0) + count


class Reporter:
    """Called on the learning thread. `clock` measures durations, `wall_clock` gives seconds since 1970."""

    def __init__(
        self, *, metrics: Metrics, clock: Callable[[], float], wall_clock: Callable[[], float]
    ) -> None:
        self.metrics = metrics
        self.clock = clock
        self.wall_clock = wall_clock
        self._asleep_since_s = clock()
        self._transplants = False  # rather than sleeps
        self._gaps = 0
        self._letters = 0

    def passed_over(self, gaps: int) -> None:
        """`gaps` messages in all, since the source was opened, are known to be lost to it."""
        self.metrics.count_gaps(gaps - self._gaps)
        self._gaps = gaps

    def took(
        self, delivery: Delivery, *, lesson: Lesson | None, accuracy: float | None, seconds: float
    ) -> None:
        """A batch was learned, `lesson`, or held nothing new, None."""
        for reason, count in delivery.rejects.items():
            for _ in range(count):
                self.metrics.count_reject(reason)
        self._letters += sum(delivery.rejects.values())
        self.metrics.publish_dead_letters(pending=self._letters)
        seen = lesson.observation if lesson else None
        self.metrics.observe_batch(
            learned=lesson.learned if lesson else 0,
            withheld=lesson.withheld if lesson else 0,
            duplicates=delivery.duplicates,
            seconds=seconds,
            now_s=self.wall_clock(),
            loss=seen.loss if seen else None,
            distortion_l1=seen.distortion_l1 if seen else None,
            prequential_accuracy=accuracy,
        )

    def saved(self) -> None:
        """A checkpoint is durable, and with it every dead letter before it."""
        self.metrics.publish_dead_letters(delivered=self._letters, pending=0)
        self._letters = 0

    def fell_asleep(self, reason: str, *, examples: int) -> None:
        self._begin_sleep(transplants=False)
        log.info("asleep (%s) after %d examples", reason, examples)

    def began_transplant(self, begun: Transplant, *, examples: int) -> None:
        self._begin_sleep(transplants=True)
        log.info("transplant to %s in %d steps, after %d examples", begun.to, begun.steps, examples)

    def dreamt(self, steps: int) -> None:
        self.metrics.count_sleep_steps(steps)

    def woke_up(self, verdict: Verdict) -> None:
        outcome = "adopted" if verdict.adopted else "refused"
        self._end_sleep(outcome)
        if verdict.adopted:
            self.metrics.publish_version(str(verdict.version), adopted_s=self.wall_clock())
        before, after = (share(score) for score in (verdict.before, verdict.after))
        what = "sleep" if verdict.to is None else f"transplant to {verdict.to}"
        told = "%s %s after %d steps: exam %s before, %s after; model version %d"
        log.info(told, what, outcome, verdict.steps, before, after, verdict.version)

    def rolled_back(self, version: int, *, while_asleep: bool) -> None:
        if while_asleep:
            self._end_sleep("interrupted")
        self.metrics.publish_version(str(version), adopted_s=self.wall_clock())
        log.warning("rolled back to model version %d", version)

    def restored(self, learner: Learner | None) -> None:
        """After a restart: the gauges that would otherwise stay empty until the next sleep."""
        if learner is None:
            return
        if learner.progress.version:
            self.metrics.publish_version(str(learner.progress.version), adopted_s=self.wall_clock())
        if learner.dream:
            self._begin_sleep(transplants=learner.dream.transplant is not None)
        if learner.network != learner.configured_network:
            log.warning(
                "the checkpoint's network is %s, network.name means %s: it stays %s (another one takes over "
                "by `streamlearner transplant`)",
                learner.network, learner.configured_network, learner.network,
            )  # fmt: skip

    def _begin_sleep(self, *, transplants: bool) -> None:
        self._asleep_since_s, self._transplants = self.clock(), transplants
        self.metrics.begin_sleep()

    def _end_sleep(self, outcome: str) -> None:
        if self._transplants:
            self.metrics.end_transplant(outcome=outcome)
        else:
            self.metrics.end_sleep(outcome=outcome, seconds=self.clock() - self._asleep_since_s)


def share(score: float | None) -> str:
    return "nothing to sit" if score is None else f"{score:.1%}"
