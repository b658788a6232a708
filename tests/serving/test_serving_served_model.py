from __future__ import annotations

import math

import torch
from prometheus_client import CollectorRegistry

from streamlearner.learning.predictor import ModelVersion, Predictor
from streamlearner.serving.served_model import ServedModel
from streamlearner.telemetry.metrics import Metrics
from tests.support.serving_fakes import tiny_predictor


class Clock:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


def a_served_model(clock: Clock, metrics: Metrics | None = None) -> ServedModel:
    metrics = metrics or Metrics(CollectorRegistry())
    return ServedModel(every_examples=100, every_s=5.0, metrics=metrics, now_s=clock)


def at(predictor: Predictor, adopted: int, examples: int) -> Predictor:
    """The same predictor, of another version."""
    predictor.version = ModelVersion(adopted, examples)
    return predictor


def test_a_model_without_classes_is_not_served() -> None:
    served = a_served_model(Clock())
    assert not served.refresh(tiny_predictor(labels=()))
    assert served.current is None


def test_it_freezes_again_once_enough_was_learned() -> None:
    served, predictor = a_served_model(Clock()), tiny_predictor()
    refreshed = [served.refresh(at(predictor, 1, examples)) for examples in (10, 50, 109, 110, 150)]
    assert refreshed == [True, False, False, True, False]
    assert served.current is not None and str(served.current.version) == "1.110"


def test_an_adopted_version_or_a_rollback_is_served_at_once() -> None:
    served, predictor = a_served_model(Clock()), tiny_predictor()
    served.refresh(at(predictor, 1, 10))
    assert served.refresh(at(predictor, 2, 10))
    assert served.refresh(at(predictor, 2, 9))
    assert served.current is not None and str(served.current.version) == "2.9"


def test_a_slow_stream_is_served_after_some_seconds_and_an_idle_one_costs_nothing() -> None:
    clock = Clock()
    served, predictor = a_served_model(clock), tiny_predictor()
    served.refresh(at(predictor, 1, 10))
    first = served.current
    clock.seconds += 100
    assert not served.refresh(at(predictor, 1, 10))
    assert served.current is first
    assert served.refresh(at(predictor, 1, 11))
    assert not served.refresh(at(predictor, 1, 12))


class Slow(Clock):
    """A clock by which each look takes `copy_s`, as much as what is done before the next look."""

    def __init__(self, *, copy_s: float) -> None:
        super().__init__()
        self.copy_s = copy_s

    def __call__(self) -> float:
        self.seconds += self.copy_s
        return self.seconds


def refreshes(served: ServedModel, clock: Clock, *, batches: int, batch_s: float) -> int:
    """How often a stream of so many batches of ten is copied."""
    predictor, count = tiny_predictor(), 0
    for number in range(1, batches + 1):
        clock.seconds += batch_s
        count += served.refresh(at(predictor, 1, 100 * number))
    return count


def test_copies_take_no_longer_than_two_batches_in_a_second() -> None:
    clock = Slow(copy_s=0.001)
    served = a_served_model(clock)
    began_s = clock.seconds
    count = refreshes(served, clock, batches=2_000, batch_s=0.005)
    assert 0.5 < count * 0.001 / (clock.seconds - began_s) / (2 * 0.006) < 1.1


def test_copies_that_cost_little_are_made_whenever_they_are_due() -> None:
    clock = Slow(copy_s=0.0001)
    assert refreshes(a_served_model(clock), clock, batches=50, batch_s=0.05) == 50


def test_no_copy_that_is_due_waits_for_longer_than_half_a_second() -> None:
    clock = Slow(copy_s=0.1)
    served = a_served_model(clock)
    began_s = clock.seconds
    count = refreshes(served, clock, batches=1_000, batch_s=0.001)
    assert count >= (clock.seconds - began_s) / (0.5 + 0.2)


def test_an_adopted_version_waits_for_nothing() -> None:
    clock = Slow(copy_s=10.0)
    served, predictor = a_served_model(clock), tiny_predictor()
    assert served.refresh(at(predictor, 1, 10))
    clock.copy_s = 0.0
    assert not served.refresh(at(predictor, 1, 500))
    assert served.refresh(at(predictor, 2, 500))


def test_what_is_served_does_not_change_while_learning_goes_on() -> None:
    served, predictor = a_served_model(Clock()), tiny_predictor()
    served.refresh(at(predictor, 1, 10))
    frozen = served.current
    assert frozen is not None
    inputs = torch.ones(1, 1, 4, 4, dtype=torch.uint8)
    before = frozen.predict_proba(inputs)
    with torch.no_grad():
        predictor.method.bias += 1.0  # type: ignore[attr-defined]
    predictor.labels.index("a new class")
    assert torch.equal(frozen.predict_proba(inputs), before)
    assert not torch.equal(predictor.predict_proba(inputs), before)
    assert len(frozen.labels) == 3


def test_metrics_tell_what_is_served_and_since_when() -> None:
    registry = CollectorRegistry()
    clock = Clock()
    served = a_served_model(clock, Metrics(registry))
    served.refresh(tiny_predictor(adopted=1, examples=10))
    assert registry.get_sample_value("streamlearner_served_model_examples") == 10
    age = clock() - (registry.get_sample_value("streamlearner_served_model_timestamp_seconds") or math.nan)
    assert age == 0
