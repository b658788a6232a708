"""What is counted and when: the daemon and serving call these methods; `series` declares the series.

Label sets are bounded: at most `max_class_slices` classes, as many factors and as many newest periods
are shown one by one; with more classes than that, only the overall figure.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Literal

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from streamlearner.telemetry.pace_metrics import PaceMetrics
from streamlearner.telemetry.series import Samples, Series
from streamlearner.telemetry.serving_metrics import ServingMetrics

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4


class Metrics(ServingMetrics, PaceMetrics):
    """Every series on `registry`. Any thread may call any method."""

    def __init__(
        self,
        registry: CollectorRegistry,
        *,
        version: str = "unknown",
        reject_reasons: Iterable[str] = (),
        max_class_slices: int = 100,
    ) -> None:
        self.registry = registry
        self.max_class_slices = max_class_slices
        self._series = Series(registry, version=version, reject_reasons=reject_reasons)

    def observe_batch(
        self,
        *,
        learned: int,
        withheld: int,
        duplicates: int,
        seconds: float,
        now_s: float,
        loss: float | None = None,
        distortion_l1: float | None = None,
        tombstones: int = 0,
        erased: int = 0,
        erasures: int = 0,
    ) -> None:
        """One wake batch. `seconds` it took; `now_s` since the epoch. About 5 us."""
        self._series.learned.inc(learned)
        self._series.withheld.inc(withheld)
        self._series.duplicates.inc(duplicates)
        self._series.tombstones.inc(tombstones)
        self._series.erased.inc(erased)
        self._series.erasures.inc(erasures)
        self._series.learn_seconds.observe(seconds)
        self._series.last_batch.set(now_s)
        if loss is not None:
            self._series.loss.set(loss)
        if distortion_l1 is not None:
            self._series.distortion.set(distortion_l1)

    def observe_accuracy(self, *, prequential: float | None, no_change: float | None) -> None:
        """Along the stream; None while unknown."""
        self._series.prequential.set(math.nan if prequential is None else prequential)
        self._series.no_change.set(math.nan if no_change is None else no_change)

    def count_refused_steps(self, steps: int) -> None:
        """Steps that were not taken, as something was not finite."""
        self._series.refused_steps.inc(steps)

    def count_missing(self, numbers: int, *, of: Literal["example", "prediction"]) -> None:
        """Numbers that were missing in feature vectors and filled."""
        self._series.missing[of].inc(numbers)

    def count_change(self, *, of: Literal["labels", "codes"]) -> None:
        """Labels changed their meaning, or codes were refused and others chosen."""
        self._series.changes[of].inc()

    def count_fall(self, *, of_class: bool) -> None:
        """Served accuracy fell beyond chance, of one class or of all answers."""
        self._series.falls_of_class.inc(of_class)
        self._series.falls_overall.inc(not of_class)

    def publish_served_accuracy(self, *, overall: float | None, by_class: Mapping[str, float]) -> None:
        """Over as long as it did not change, 0 to 1."""
        self._series.served_accuracy.publish(self._slices(overall, by_class))

    def publish_answerer(self, route: str) -> None:
        """Who answers now, one of `series.ROUTES`."""
        self._series.answering.publish({route: 1.0})

    def publish_doubts(self, names: Iterable[str]) -> None:
        """Those that there are now."""
        self._series.doubts.publish(dict.fromkeys(names, 1.0))

    def count_reject(self, reason: str) -> None:
        """One message that could not become an example; `reason` is from the codec's small fixed set."""
        self._series.rejected.inc()
        self._series.rejects.labels(reason).inc()

    def publish_erased_ids(self, held: int) -> None:
        """On the list of what is not learned again."""
        self._series.erased_ids.set(held)

    def count_gaps(self, messages: int) -> None:
        """Messages newly known to be lost before they could be read."""
        self._series.gaps.inc(messages)

    def publish_dead_letters(self, *, delivered: int = 0, failed: int = 0, pending: int) -> None:
        """Rejects newly written and newly failed to be, and how many wait now."""
        self._series.letters_delivered.inc(delivered)
        self._series.letters_failed.inc(failed)
        self._series.letters_pending.set(pending)

    def publish_source(
        self, *, connected: bool, lag: Mapping[int, int], held_back: Mapping[int, int] | None = None
    ) -> None:
        """How the source stands; `lag` and what an open transaction holds back are messages by partition,
        unknown ones left out."""
        self._series.connected.set(connected)
        self._series.lag.publish({str(partition): float(messages) for partition, messages in lag.items()})
        held = {str(partition): float(messages) for partition, messages in (held_back or {}).items()}
        self._series.held_back.publish(held)

    def publish_retention(
        self,
        *,
        overall: float | None,
        by_class: Mapping[str, float],
        by_factor: Mapping[str, float],
        by_period: Sequence[float | None],
        by_age: Mapping[str, float] = MappingProxyType({}),
        as_of: int | None = None,
        forgetting: float | None,
        backward_transfer: float | None,
    ) -> None:
        """The exam's figures, all from 0 to 1 (backward transfer from -1); None where there is none yet.
        `as_of`: examples learned when they were measured."""
        slices = self._slices(overall, by_class)
        if len(by_factor) <= self.max_class_slices:
            slices |= {f"factor:{factor}": value for factor, value in by_factor.items()}
        first = max(0, len(by_period) - self.max_class_slices)
        slices |= {f"period:{first + i}": v for i, v in enumerate(by_period[first:]) if v is not None}
        slices |= {f"age:{age}": value for age, value in by_age.items()}
        self._series.retention.publish(slices)
        self._series.retention_examples.set(_or_nan(as_of))
        self._series.forgetting.set(_or_nan(forgetting))
        self._series.transfer.set(_or_nan(backward_transfer))

    def publish_readout(self, *, overall: float | None, by_class: Mapping[str, float]) -> None:
        """Accuracy of a linear probe on frozen features, 0 to 1."""
        self._series.readout.publish(self._slices(overall, by_class))

    def publish_memory(
        self,
        *,
        stored_bits: Mapping[str, int],
        budget_bits: Mapping[str, int],
        parameter_bits: Mapping[str, int],
        bits_per_example: float | None,
        recollections: Mapping[str, int],
        classes: int,
        units: Mapping[str, int],
    ) -> None:
        """What is held: bits by store and by module, recollections by class, units by state."""
        self._series.bits.publish(stored_bits)
        self._series.budget.publish(budget_bits)
        self._series.parameters.publish(parameter_bits)
        self._series.bits_per_example.set(_or_nan(bits_per_example))
        self._series.recollections.publish(self._slices(sum(recollections.values()), recollections))
        self._series.classes.set(classes)
        self._series.units.publish(units)

    def begin_sleep(self) -> None:
        """A sleep, or a transplant, began."""
        self._series.asleep.set(1)

    def count_sleep_steps(self, steps: int) -> None:
        """Steps of consolidation done since the last call."""
        self._series.sleep_steps.inc(steps)

    def end_sleep(self, *, outcome: str, seconds: float) -> None:
        """The sleep ended: `adopted`, `refused` (the exam) or `interrupted`."""
        self._series.asleep.set(0)
        self._series.sleeps.labels(outcome).inc()
        self._series.sleep_seconds.observe(seconds)

    def count_undecided(self) -> None:
        """A candidate was adopted as the exam is too small to tell a loss from chance."""
        self._series.undecided.inc()

    def end_transplant(self, *, outcome: str) -> None:
        """The transplant ended: `adopted`, `refused` (the exam) or `interrupted`."""
        self._series.asleep.set(0)
        self._series.transplants.labels(outcome).inc()

    def publish_version(self, version: str, *, adopted_s: float) -> None:
        """The adopted model version and when it was adopted, in seconds since the epoch."""
        self._series.version.info({"version": version})
        self._series.adopted.set(adopted_s)

    def observe_checkpoint(self, *, seconds: float, size_bytes: int, now_s: float) -> None:
        """A checkpoint is durable. `now_s` since the epoch."""
        self._series.saved.inc()
        self._series.save_seconds.observe(seconds)
        self.publish_checkpoint(size_bytes=size_bytes, saved_s=now_s)

    def publish_checkpoint(self, *, size_bytes: int, saved_s: float) -> None:
        """The newest good checkpoint, also one found at start-up."""
        self._series.save_bytes.set(size_bytes)
        self._series.save_time.set(saved_s)

    def count_checkpoint_failure(self) -> None:
        """A checkpoint could not be saved; the former one stays good."""
        self._series.save_failed.inc()

    def count_unreadable_checkpoint(self) -> None:
        """A torn or altered checkpoint was passed over at start-up."""
        self._series.unreadable.inc()

    def count_export(self, outcome: str) -> None:
        """A version was `exported`, or it `failed`."""
        self._series.exports[outcome].inc()

    def count_publication(self, outcome: str) -> None:
        """An exported version was `published`, or it `failed`."""
        self._series.publications[outcome].inc()

    def publish_exported(self, version: int) -> None:
        """The version that replicas are pointed to."""
        self._series.exported_version.set(version)

    def exposition(self) -> bytes:
        """Everything in the Prometheus text format, of type `CONTENT_TYPE`."""
        return generate_latest(Samples(self.registry))

    def _slices(self, overall: float | None, by_class: Mapping[str, float]) -> dict[str, float]:
        slices = {} if overall is None else {"overall": float(overall)}
        if len(by_class) <= self.max_class_slices:
            slices |= {f"class:{label}": float(value) for label, value in by_class.items()}
        return slices


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value
