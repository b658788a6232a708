"""Every Prometheus series, declared once; and two things that the client library lacks.

All names start with `streamlearner_`. Base units, with one documented exception: `_bits`, the unit of
budgets. Gauges that have no value yet are NaN, so that no alarm takes 0 for a measurement. Gauges of time are
timestamps, so that an age is `time() - x` and goes on growing when the process hangs.
"""

from __future__ import annotations

import math
import platform
from collections.abc import Iterable, Iterator, Mapping
from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, ProcessCollector
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

OUTCOMES = ("learned", "withheld", "rejected", "duplicate", "tombstone", "erased", "erasure")
SLEEP_OUTCOMES = ("adopted", "refused", "interrupted")
ROUTES = ("hippocampus", "neocortex", "statistics", "live", "blend", "nearest")
_STEP_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_LONG_SECONDS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0, 10_000.0)


class Series:
    """Declares every series on `registry`; children of labels are looked up once, here.

    `reject_reasons` are the known ones: their counters start at 0, so that the first one is a rate.
    """

    def __init__(self, registry: CollectorRegistry, *, version: str, reject_reasons: Iterable[str]) -> None:
        counter = partial(Counter, namespace="streamlearner", registry=registry)
        gauge = partial(Gauge, namespace="streamlearner", registry=registry)
        histogram = partial(Histogram, namespace="streamlearner", registry=registry)
        info = partial(Info, namespace="streamlearner", registry=registry)
        ProcessCollector(registry=registry)
        info("build", "The running code.").info({"version": version, "python": platform.python_version()})
        self.version = info("model_version", "The adopted model version.")
        self._declare_stream(counter, gauge)
        self._declare_learning(counter, gauge, histogram)
        self._declare_sleep(counter, gauge, histogram)
        self._declare_memory(gauge)
        self._declare_checkpoint(counter, gauge, histogram)
        self._declare_export(counter, gauge)
        self._declare_serving(counter, gauge, histogram)
        for reason in reject_reasons:
            self.rejects.labels(reason)

    def _declare_stream(self, counter: partial[Counter], gauge: partial[Gauge]) -> None:
        examples = counter("examples", "Examples taken from the stream, by what became of them.", ["outcome"])
        (self.learned, self.withheld, self.rejected, *others) = map(examples.labels, OUTCOMES)
        (self.duplicates, self.tombstones, self.erased, self.erasures) = others
        kept_out = "Ids that were erased and are not learned again."
        self.erased_ids = gauge("erased_ids", kept_out)
        self.rejects = counter("rejects", "Messages that could not become an example, by reason.", ["reason"])
        self.gaps = counter("stream_gaps", "Messages that were lost before they could be read.")
        letters = counter("dead_letters", "Rejects written to the dead letters, by outcome.", ["outcome"])
        self.letters_delivered, self.letters_failed = map(letters.labels, ("delivered", "failed"))
        self.letters_pending = gauge("dead_letters_pending", "Rejects not yet in the dead letters.")
        self.lag = Family(gauge("stream_lag", "Messages still to be polled, by partition.", ["partition"]))
        held = "Messages that may not be read yet, as a transaction is open, by partition."
        self.held_back = Family(gauge("stream_held_back", held, ["partition"]))
        self.connected = gauge(
            "source_connected", "1 while the source (and a schema registry) answers, else 0."
        )

    def _declare_learning(
        self, counter: partial[Counter], gauge: partial[Gauge], histogram: partial[Histogram]
    ) -> None:
        labels_changed = counter("label_changes", "Times that labels changed their meaning.")
        refused = "Times that codes were worse than class means and others were chosen."
        self.changes = {"labels": labels_changed, "codes": counter("codes_refused", refused)}
        self.learn_seconds = histogram("learn_seconds", "Time to learn one batch.", buckets=_STEP_SECONDS)
        refused = "Steps not taken, as a loss, a gradient or weights would not be finite."
        self.refused_steps = counter("learn_steps_refused", refused)
        left_out = "Examples learned without an optimiser step, as the stream was faster than learning."
        self.without_steps = counter("examples_without_steps", left_out)
        self.batch_messages = gauge("batch_messages", "Messages of a batch at the pace of now.")
        self.trained_share = gauge("trained_ratio", "Share of the examples that get optimiser steps now.")
        filled = counter("missing_values", "Missing numbers of feature vectors that were filled.", ["of"])
        self.missing = {name: filled.labels(name) for name in ("example", "prediction")}
        self.loss = unknown(gauge("learn_loss", "Mean loss of the last batch."))
        self.distortion = unknown(
            gauge("distortion_l1", "Mean absolute error of the last batch's codes, on inputs from 0 to 1.")
        )
        self.prequential = unknown(
            gauge(
                "prequential_accuracy_ratio",
                "Share of recent examples answered right before being learned.",
            )
        )
        self.no_change = unknown(
            gauge("no_change_accuracy_ratio", "Share of the same examples with the label of the one before.")
        )
        self.served_accuracy = Family(
            gauge("served_accuracy_ratio", "Share answered right since it last changed, by slice.", ["slice"])
        )
        falls = counter("accuracy_falls", "Times that served accuracy fell beyond chance.", ["of"])
        self.falls_overall, self.falls_of_class = map(falls.labels, ("overall", "class"))
        self.answering = Family(gauge("answering", "1 for who answers now, by route.", ["route"]))
        self.doubts = Family(gauge("doubts", "1 for each doubt about figures or answers.", ["name"]))
        self.last_batch = gauge("learn_last_batch_timestamp_seconds", "When the last batch was learned.")
        self.retention = Family(gauge("retention_ratio", "Accuracy on the exam, by slice.", ["slice"]))
        self.retention_examples = unknown(
            gauge("retention_examples", "Examples that had been learned when retention was measured.")
        )
        self.readout = Family(gauge("readout_ratio", "Accuracy of a linear readout, by slice.", ["slice"]))
        self.forgetting = unknown(gauge("forgetting_ratio", "Mean fall from each period's best retention."))
        self.transfer = unknown(
            gauge("backward_transfer_ratio", "Mean change of retention since each period was learned.")
        )

    def _declare_sleep(
        self, counter: partial[Counter], gauge: partial[Gauge], histogram: partial[Histogram]
    ) -> None:
        self.asleep = gauge("asleep", "1 while a sleep or a transplant goes on, else 0.")
        self.sleep_steps = counter("sleep_steps", "Optimiser steps asleep, transplants included.")
        self.sleep_seconds = histogram(
            "sleep_seconds", "Time from the beginning of a sleep to its end.", buckets=_LONG_SECONDS
        )
        self.sleeps = counter("sleeps", "Sleeps that ended, by what became of the candidate.", ["outcome"])
        undecided = "Candidates adopted as the exam is too small to tell a loss from chance."
        self.undecided = counter("consolidations_undecided", undecided)
        self.transplants = counter("transplants", "Transplants that ended, by outcome.", ["outcome"])
        for outcome in SLEEP_OUTCOMES:
            self.sleeps.labels(outcome)
            self.transplants.labels(outcome)
        self.adopted = gauge("model_adopted_timestamp_seconds", "When the model version was adopted.")

    def _declare_memory(self, gauge: partial[Gauge]) -> None:
        self.bits = Family(gauge("memory_bits", "Bits held of what was experienced, by store.", ["store"]))
        self.budget = Family(gauge("memory_budget_bits", "Bits that a store may hold.", ["store"]))
        self.parameters = Family(gauge("memory_parameter_bits", "Bits of parameters, by module.", ["module"]))
        self.bits_per_example = unknown(
            gauge("memory_bits_per_example", "Bits held, divided by the examples that were seen.")
        )
        self.recollections = Family(gauge("recollections", "Recollections held, by slice.", ["slice"]))
        self.classes = gauge("classes", "Classes seen so far.")
        described = (
            "Units of a memory that grows: reserved; free; reused, of reserved ones by the newest class."
        )
        self.units = Family(gauge("memory_units", described, ["state"]))

    def _declare_checkpoint(
        self, counter: partial[Counter], gauge: partial[Gauge], histogram: partial[Histogram]
    ) -> None:
        saves = counter("checkpoint_saves", "Attempts to save a checkpoint, by outcome.", ["outcome"])
        self.saved, self.save_failed = map(saves.labels, ("saved", "failed"))
        self.save_seconds = histogram(
            "checkpoint_seconds", "Time to save a checkpoint.", buckets=_LONG_SECONDS[:8]
        )
        self.save_bytes = gauge("checkpoint_bytes", "Size of the last checkpoint.")
        self.save_time = gauge(
            "checkpoint_last_success_timestamp_seconds", "When the last good checkpoint was saved."
        )
        self.unreadable = counter(
            "checkpoint_unreadable", "Checkpoints found torn or altered and passed over."
        )

    def _declare_export(self, counter: partial[Counter], gauge: partial[Gauge]) -> None:
        exports = counter("exports", "Model versions written as files, by outcome.", ["outcome"])
        self.exports = {name: exports.labels(name) for name in ("exported", "failed")}
        told = "Exported versions told to the publisher, by outcome."
        published = counter("publications", told, ["outcome"])
        self.publications = {name: published.labels(name) for name in ("published", "failed")}
        pointed = "The exported version that replicas are pointed to."
        self.exported_version = unknown(gauge("exported_version", pointed))
        follows = counter("follows", "Of a replica: versions taken, and looks that failed.", ["outcome"])
        self.follows = {name: follows.labels(name) for name in ("taken", "failed")}
        self.followed = unknown(gauge("followed_version", "Of a replica: the version that answers."))
        seen = "Of a replica: when what is published was last read without fault."
        self.followed_seen = unknown(gauge("followed_seen_timestamp_seconds", seen))

    def _declare_serving(
        self, counter: partial[Counter], gauge: partial[Gauge], histogram: partial[Histogram]
    ) -> None:
        self.predictions = counter("predictions", "Inputs answered, by the memory that answered.", ["route"])
        self.predict_seconds = histogram(
            "predict_seconds", "Time to answer a request.", ["route"], buckets=_STEP_SECONDS
        )
        self.predicted = {
            route: (self.predictions.labels(route), self.predict_seconds.labels(route)) for route in ROUTES
        }
        self.history_failures = counter("history_failures", "Times that the history's disk took nothing.")
        self.requests = counter("http_requests", "HTTP requests, by path and status.", ["path", "code"])
        self.rpcs = counter("grpc_requests", "gRPC calls, by method and code.", ["method", "code"])
        pushed = counter("pushed_examples", "Examples pushed by HTTP, by outcome.", ["outcome"])
        self.push_accepted, self.push_duplicates = map(pushed.labels, ("accepted", "duplicate"))
        self.labels = counter("labels", "Labels that came later, by what became of them.", ["outcome"])
        asked = "Inputs that people were asked about, and those of them that were labelled."
        questions = counter("questions", asked, ["outcome"])
        self.questions = {name: questions.labels(name) for name in ("given", "answered")}
        self.awaiting = gauge("predictions_awaiting_label", "Predictions kept, whose label may still come.")
        self.answered = Family(
            gauge("answered_accuracy_ratio", "Share of given answers that were right, by slice.", ["slice"])
        )
        self.served_examples = gauge(
            "served_model_examples", "Examples that the model being served has learned."
        )
        self.served_time = gauge("served_model_timestamp_seconds", "When the model being served was frozen.")


class Family:
    """A gauge with one label whose values come and go: a value that is no longer published disappears, the
    others are there at every scrape."""

    def __init__(self, gauge: Gauge) -> None:
        self._gauge = gauge
        self._children: dict[str, Gauge] = {}

    def publish(self, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            child = self._children.get(name)
            if child is None:
                child = self._children[name] = self._gauge.labels(name)
            child.set(value)
        for name in self._children.keys() - values.keys():
            self._gauge.remove(name)
            del self._children[name]


class Samples:
    """A registry without the `_created` samples, a third of all, which nobody reads. (The library can leave
    them out only for the whole process.)"""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterator[Metric]:
        for metric in self._registry.collect():
            metric.samples = [sample for sample in metric.samples if not sample.name.endswith("_created")]
            yield metric


def samples_of(series: Collector) -> Iterator[Sample]:
    """As they are now, of every label."""
    return (sample for metric in series.collect() for sample in metric.samples)


def unknown(gauge: Gauge) -> Gauge:
    gauge.set(math.nan)
    return gauge
