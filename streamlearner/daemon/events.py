"""A log line and Prometheus counters for whatever happens in the daemon."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from streamlearner.daemon.intake import TakenBatch
from streamlearner.daemon.marks import MarkWriter, no_mark
from streamlearner.daemon.name_ceiling import BEYOND
from streamlearner.daemon.thinning import Thinning
from streamlearner.daemon.tracing import tell_traced
from streamlearner.decoding.erasures import Erasure
from streamlearner.learning.erasing import Erased
from streamlearner.learning.learner import Learner
from streamlearner.learning.progress import Transplant
from streamlearner.learning.results import ConsolidationResult, LearningResult
from streamlearner.learning.served_accuracy import Fall
from streamlearner.networks.refused_steps import REFUSED
from streamlearner.state.history import ABSENT
from streamlearner.telemetry.metrics import Metrics

log = logging.getLogger(__name__)

REFUSING_BATCHES = 100
"""The last batches, of which it is known whether they had refused steps."""
NEW_OR_CHANGED = "new classes came, or labels or inputs changed"


class Events:
    """Called on the learning thread. `clock` measures durations, `wall_clock` gives seconds since 1970."""

    def __init__(
        self,
        *,
        metrics: Metrics,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
        mark: MarkWriter = no_mark,
    ) -> None:
        self.metrics, self.mark, self.thinning = metrics, mark, Thinning(metrics)
        self.clock, self.wall_clock = clock, wall_clock
        self._asleep_since_s = clock()
        self._is_transplant, self._reason = False, ""  # False: a sleep
        self._gaps = self.refused_steps = 0
        self._refused_before = REFUSED.count
        self._refusing: deque[bool] = deque(maxlen=REFUSING_BATCHES)
        self._unsaved_rejects = 0
        self._doubts: set[str] = set()
        self._lost_since_s: float | None = None
        self._was_heard = False
        self._told_of: set[str] = set()

    def messages_lost(self, gaps: int) -> None:
        """`gaps` messages in all, since the source was opened, were lost before they could be read."""
        self.metrics.count_gaps(gaps - self._gaps)
        self._gaps = gaps

    def source_heard(self, connected: bool) -> None:
        """Whether the source answers now; a line when that changes, but for the first time."""
        if connected:
            if self._lost_since_s is not None:
                log.info("the source answers again, after %.0f s", self.clock() - self._lost_since_s)
            self._lost_since_s, self._was_heard = None, True
        elif self._was_heard and self._lost_since_s is None:
            self._lost_since_s = self.clock()
            log.warning("the source does not answer: learning waits at its position, predictions go on")

    def batch_taken(
        self, taken: TakenBatch, *, result: LearningResult | None, learner: Learner | None, seconds: float
    ) -> None:
        """`result` is None where the batch held nothing new."""
        self._rejected(taken.rejects)
        tell_traced(taken.refused)
        self._refusing.append(self._count_refused_steps() > 0)
        self.thinning.batch_taken(one_in=taken.one_in, without_steps=result.without_steps if result else 0)
        observation = result.observation if result else None
        if observation and observation.changed:
            self.metrics.count_change(of="labels")
            self.mark("labels_changed", {})
            log.info("labels changed their meaning: statistics forget half of what they knew")
        if result and result.code:
            self.metrics.count_change(of="codes")
            log.warning("%s", result.code)
        self.metrics.count_missing(result.filled if result else 0, of="example")
        for fall in result.falls if result else ():
            self._accuracy_fell(fall)
        self.metrics.observe_batch(
            learned=result.learned if result else 0,
            withheld=result.withheld if result else 0,
            duplicates=taken.duplicates,
            tombstones=taken.tombstones,
            erased=taken.erased,
            erasures=taken.pure_erasures,
            seconds=seconds,
            now_s=self.wall_clock(),
            loss=observation.loss if observation else None,
            distortion_l1=observation.distortion_l1 if observation else None,
        )
        if learner:
            prequential, no_change = learner.prequential.accuracy, learner.no_change.accuracy
            self.metrics.observe_accuracy(prequential=prequential, no_change=no_change)

    def erased(self, erasure: Erasure, found: Erased, *, classes: list[str]) -> None:
        """The name is not logged: it may be what must not be known any more. `classes` were erased whole."""
        log.info(
            "erased by %s: %d recollections, %d of the exam, statistics %s%s",
            erasure.by, found.removed.recollections, found.exam, found.removed.statistics,
            "; the sleep under way begins again" if found.restarted else "",
        )  # fmt: skip
        self.mark("erased", {"classes": classes})  # their curves go, too

    @property
    def share_refusing(self) -> float:
        """Of the last batches, how many had steps that were not taken."""
        return sum(self._refusing) / REFUSING_BATCHES

    def _count_refused_steps(self) -> int:
        """Those since the last call. A line for the first one: a network that diverged refuses every step."""
        fresh = REFUSED.count - self._refused_before - self.refused_steps
        if not fresh:
            return 0
        if not self.refused_steps:
            log.warning("a step was not taken: loss, gradient or weights were not finite (more are counted)")
        self.refused_steps += fresh
        self.metrics.count_refused_steps(fresh)
        return fresh

    def _rejected(self, rejects: Mapping[str, int]) -> None:
        if not rejects:
            return
        for reason, count in rejects.items():
            for _ in range(count):
                self.metrics.count_reject(reason)
        for kind in set(BEYOND) & rejects.keys() - self._told_of:
            self._told_of.add(kind)
            log.warning(
                "messages name more %s than limits.max_%s: raise it if they are %s, mend the producer if "
                "they are ids; such examples are dead letters, known %s go on being learned", *[kind] * 4,
            )  # fmt: skip
        self._unsaved_rejects += sum(rejects.values())
        self.metrics.publish_dead_letters(pending=self._unsaved_rejects)

    def _accuracy_fell(self, fall: Fall) -> None:
        self.metrics.count_fall(of_class=fall.label is not None)
        change = {"before": fall.change.before, "after": fall.change.after}
        self.mark("accuracy_fell", {"label": None if fall.label is None else str(fall.label)} | change)
        log.warning(
            "served accuracy %s fell from %s to %s, in the last %d answers: %s",
            "overall" if fall.label is None else f"of {fall.label}",
            percentage(fall.change.before), percentage(fall.change.after), fall.change.width,
            "labels or inputs changed" if fall.label is not None else NEW_OR_CHANGED,
        )  # fmt: skip

    def checkpoint_saved(self) -> None:
        """A checkpoint is durable, and with it every reject before it."""
        self.metrics.publish_dead_letters(delivered=self._unsaved_rejects, pending=0)
        self._unsaved_rejects = 0

    def doubted(self, doubts: Mapping[str, str]) -> None:
        """Sentences by name, of all doubts that there are now: each is logged when it arises."""
        for name in doubts.keys() - self._doubts:
            log.warning("%s (%s)", doubts[name], name)
        self._doubts = set(doubts)
        self.metrics.publish_doubts(doubts)

    def sleep_began(self, reason: str, *, examples: int) -> None:
        self._begin(is_transplant=False, reason=reason)
        log.info("asleep (%s) after %d examples", reason, examples)

    def transplant_began(self, begun: Transplant, *, examples: int) -> None:
        self._begin(is_transplant=True, reason="asked for")
        log.info("transplant to %s in %d steps, after %d examples", begun.to, begun.steps, examples)

    def steps_done(self, steps: int) -> None:
        self._count_refused_steps()
        self.metrics.count_sleep_steps(steps)

    def consolidation_ended(self, result: ConsolidationResult) -> None:
        self._end(result.outcome, result.document() | {"version": result.version, "to": result.to})
        if result.adopted:
            self.metrics.publish_version(str(result.version), adopted_s=self.wall_clock())
        log.info(
            "%s %s after %d steps: exam %s before, %s after; model version %d",
            "sleep" if result.to is None else f"transplant to {result.to}",
            result.outcome, result.steps, percentage(result.before), percentage(result.after), result.version,
        )  # fmt: skip
        if result.undecided:
            self.metrics.count_undecided()
            log.warning(
                "the exam is too small to tell a loss from chance: raise exam.budget_bits or .fraction"
            )
        if not result.adopted and result.failed is None:
            log.warning("refused: adopted, it would have lost %s", losses(result))

    def rolled_back(self, version: int, *, while_asleep: bool) -> None:
        if while_asleep:
            self._end("interrupted")
        self.metrics.publish_version(str(version), adopted_s=self.wall_clock())
        self.mark("rollback", {"version": version})
        log.warning("rolled back to model version %d", version)

    def restored(self, learner: Learner | None) -> None:
        """Sets what would otherwise be empty, or kept for too long, until something happens."""
        if learner is None:
            return
        if absent := learner.absent_classes:
            self.mark(ABSENT, {"classes": sorted(absent)})  # the history's disk may have refused
        if learner.progress.version:
            self.metrics.publish_version(str(learner.progress.version), adopted_s=self.wall_clock())
        if learner.consolidation:
            log.info("%d steps of the sleep under way are taken again", learner.owed_steps)
            self._begin(is_transplant=learner.consolidation.transplant is not None, reason="begun before")
        if learner.network != learner.configured_network:
            log.warning(
                "the checkpoint's network is %s, network.name means %s: it stays %s (another one takes over "
                "by `streamlearner transplant`)",
                learner.network, learner.configured_network, learner.network,
            )  # fmt: skip

    def _begin(self, *, is_transplant: bool, reason: str) -> None:
        self._asleep_since_s, self._is_transplant, self._reason = self.clock(), is_transplant, reason
        self.metrics.begin_sleep()

    def _end(self, outcome: str, details: Mapping[str, Any] = MappingProxyType({})) -> None:
        kind = "transplant" if self._is_transplant else "sleep"
        self.mark(kind, {"outcome": outcome, "reason": self._reason} | dict(details))
        if self._is_transplant:
            self.metrics.end_transplant(outcome=outcome)
        else:
            self.metrics.end_sleep(outcome=outcome, seconds=self.clock() - self._asleep_since_s)


def percentage(accuracy: float | None) -> str:
    return "not measured" if accuracy is None else f"{accuracy:.1%}"


MOST_NAMED = 5
"""Classes that a log line names."""


def losses(refused: ConsolidationResult) -> str:
    """The classes that would have lost, the worst first, each with its accuracy before and after."""
    named = list(refused.losses.items())[:MOST_NAMED]
    lines = [f"{name} ({then:.0%} to {now:.0%})" for name, (then, now) in named]
    more = len(refused.losses) - len(named)
    return ", ".join(lines) + (f" and {more} more" if more else "")
