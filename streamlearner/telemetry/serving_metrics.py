"""What serving's threads count: requests, answers, labels that came later, pushed examples."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from streamlearner.telemetry.series import Series, samples_of


@dataclass(frozen=True, slots=True)
class Durations:
    """`inputs` answered since the start, and requests by the upper bound of their duration in seconds: each
    is counted once, at the least bound that holds it."""

    inputs: float
    requests_by_bound: Mapping[float, float]


class ServingMetrics:
    """The part of `Metrics` that serving calls, from any thread."""

    _series: Series

    def observe_predictions(self, *, route: str, inputs: int, seconds: Iterable[float]) -> None:
        """Requests of so many `inputs` in all, answered together, and what each took. `route` is one of
        `ROUTES`."""
        answered, duration = self._series.predicted[route]
        answered.inc(inputs)
        for each in seconds:
            duration.observe(each)

    def prediction_durations(self) -> Durations:
        """Of every route together, as counted so far."""
        below: dict[float, float] = {}
        for sample in samples_of(self._series.predict_seconds):
            if sample.name.endswith("_bucket"):
                bound = float(sample.labels["le"])
                below[bound] = below.get(bound, 0.0) + sample.value
        bounds = sorted(below)
        former = [0.0, *(below[bound] for bound in bounds)]
        counted = samples_of(self._series.predictions)
        inputs = sum(sample.value for sample in counted if sample.name.endswith("_total"))
        return Durations(inputs, {bound: below[bound] - former[i] for i, bound in enumerate(bounds)})

    def checkpoint_saved_s(self) -> float | None:
        """When the newest good checkpoint was saved, in seconds since 1970; None where there is none."""
        value = next(samples_of(self._series.save_time)).value
        return value if value > 0 and math.isfinite(value) else None

    def count_history_failure(self) -> None:
        """The history on disk did not take figures."""
        self._series.history_failures.inc()

    def count_requests(self, count: int = 1, *, path: str, code: int) -> None:
        """HTTP requests. `path` is a route of the application, never what the client wrote."""
        self._series.requests.labels(path, str(code)).inc(count)

    def count_rpc(self, *, method: str, code: str) -> None:
        """One call of a method that there is; `code` is the name of gRPC's."""
        self._series.rpcs.labels(method, code).inc()

    def count_label(self, *, outcome: str) -> None:
        """One label that came later; `outcome` is of a small fixed set."""
        self._series.labels.labels(outcome).inc()

    def count_question(self, *, outcome: Literal["given", "answered"]) -> None:
        """One input that a person was asked about, or that was labelled after that."""
        self._series.questions[outcome].inc()

    def publish_answered(
        self,
        *,
        waiting: int,
        overall: float | None,
        by_version: Mapping[str, float | None],
        by_window: Mapping[str, float | None],
    ) -> None:
        """Accuracy of the answers that were given and whose labels came, 0 to 1; None where none came."""
        self._series.awaiting.set(waiting)
        slices = {"overall": overall} | {f"window:{name}": value for name, value in by_window.items()}
        slices |= {f"version:{name}": by_version[name] for name in list(by_version)[-10:]}
        self._series.answered.publish({name: value for name, value in slices.items() if value is not None})

    def take_followed(self, version: int, *, seen_s: float) -> None:
        """Of a replica: this version answers from now on."""
        self._series.follows["taken"].inc()
        self._series.followed.set(version)
        self._series.followed_seen.set(seen_s)

    def see_followed(self) -> None:
        """Of a replica: what is published was looked at, without fault."""
        self._series.followed_seen.set_to_current_time()

    def count_follow_failure(self) -> None:
        """Of a replica: a look that failed, or a version that could not be had."""
        self._series.follows["failed"].inc()

    def count_pushed(self, *, accepted: int, duplicates: int) -> None:
        """Examples that a push made durable, and those it had before."""
        self._series.push_accepted.inc(accepted)
        self._series.push_duplicates.inc(duplicates)

    def publish_served(self, *, examples: int, frozen_s: float) -> None:
        """The model being served: examples it learned, and when it was frozen (seconds since the epoch)."""
        self._series.served_examples.set(examples)
        self._series.served_time.set(frozen_s)
