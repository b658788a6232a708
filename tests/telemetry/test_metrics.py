from __future__ import annotations

import math
import shutil
import subprocess
import timeit

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from streamlearner.telemetry.metrics import Metrics


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def metrics(registry: CollectorRegistry) -> Metrics:
    return Metrics(registry, version="1.2.3", reject_reasons=("label", "shape"), max_class_slices=3)


def lived(metrics: Metrics) -> None:
    """Something in every series."""
    metrics.observe_batch(
        learned=8, withheld=1, duplicates=1, seconds=0.004, now_s=100.0, loss=0.5, distortion_l1=0.1,
    )  # fmt: skip
    metrics.observe_accuracy(prequential=0.75, no_change=0.5)
    metrics.count_reject("shape")
    metrics.count_gaps(4)
    metrics.publish_dead_letters(delivered=1, pending=2)
    metrics.publish_source(connected=True, lag={0: 5, 1: 0})
    retention(metrics, {"cat": 0.5, 3: 0.25})
    metrics.publish_readout(overall=0.9, by_class={"cat": 1.0})
    metrics.publish_memory(
        stored_bits={"codes": 800}, budget_bits={"codes": 1000}, parameter_bits={"hippocampus": 64},
        bits_per_example=1.5, recollections={"cat": 3, 3: 4}, classes=2, units={"reserved": 5, "free": 8},
    )  # fmt: skip
    metrics.begin_sleep()
    metrics.count_sleep_steps(30)
    metrics.end_sleep(outcome="adopted", seconds=12.0)
    metrics.begin_sleep()
    metrics.end_transplant(outcome="refused")
    metrics.publish_version("7", adopted_s=99.0)
    metrics.observe_checkpoint(seconds=0.2, size_bytes=4096, now_s=101.0)
    metrics.count_checkpoint_failure()
    metrics.count_unreadable_checkpoint()
    metrics.observe_predictions(route="neocortex", inputs=3, seconds=[0.002])
    metrics.count_requests(path="/v1/predict", code=200)
    metrics.count_pushed(accepted=2, duplicates=1)
    metrics.publish_served(examples=8, frozen_s=100.0)


def retention(metrics: Metrics, by_class: dict[str | int, float], periods: int = 2) -> None:
    metrics.publish_retention(
        overall=0.4, by_class=by_class, by_factor={}, by_period=[0.5, None, *([0.1] * (periods - 2))],
        forgetting=None, backward_transfer=-0.25,
    )  # fmt: skip


def slices(registry: CollectorRegistry, name: str) -> set[str]:
    return {
        sample.labels["slice"]
        for metric in registry.collect()
        for sample in metric.samples
        if sample.name == name
    }


def test_every_series_that_the_design_promises_is_declared(
    registry: CollectorRegistry, metrics: Metrics
) -> None:
    lived(metrics)
    found = {sample.name for metric in registry.collect() for sample in metric.samples}
    promised = (
        "examples_total rejects_total stream_lag learn_seconds_count sleep_seconds_count sleeps_total "
        "predict_seconds_count predictions_total retention_ratio forgetting_ratio readout_ratio "
        "prequential_accuracy_ratio memory_bits memory_budget_bits memory_bits_per_example recollections "
        "distortion_l1 checkpoint_last_success_timestamp_seconds model_version_info build_info"
    )
    assert {f"streamlearner_{name}" for name in promised.split()} <= found


def test_what_was_counted_is_what_is_exposed(registry: CollectorRegistry, metrics: Metrics) -> None:
    lived(metrics)

    def value(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(f"streamlearner_{name}", labels)

    outcomes = ("learned", "withheld", "rejected", "duplicate")
    assert [value("examples_total", outcome=outcome) for outcome in outcomes] == [8, 1, 1, 1]
    assert value("rejects_total", reason="shape") == 1
    assert value("stream_gaps_total") == 4
    assert value("stream_lag", partition="0") == 5
    assert value("retention_ratio", slice="class:3") == 0.25
    assert value("retention_ratio", slice="period:0") == 0.5
    assert value("backward_transfer_ratio") == -0.25
    assert value("recollections", slice="overall") == 7
    assert value("asleep") == 0
    assert value("sleeps_total", outcome="adopted") == 1
    assert value("transplants_total", outcome="refused") == 1
    assert value("model_version_info", version="7") == 1
    assert value("build_info", version="1.2.3") is None  # it also has the interpreter's version
    assert value("checkpoint_saves_total", outcome="saved") == 1
    assert value("checkpoint_last_success_timestamp_seconds") == 101.0
    assert value("predictions_total", route="neocortex") == 3
    assert value("pushed_examples_total", outcome="duplicate") == 1


def test_counters_start_at_zero_so_that_the_first_event_is_a_rate(
    registry: CollectorRegistry, metrics: Metrics
) -> None:
    for name, labels in (
        ("examples_total", {"outcome": "rejected"}),
        ("rejects_total", {"reason": "label"}),
        ("sleeps_total", {"outcome": "refused"}),
        ("checkpoint_saves_total", {"outcome": "failed"}),
        ("predictions_total", {"route": "hippocampus"}),
    ):
        assert registry.get_sample_value(f"streamlearner_{name}", labels) == 0


def test_what_is_not_known_yet_is_not_a_number(registry: CollectorRegistry, metrics: Metrics) -> None:
    for name in (
        "prequential_accuracy_ratio",
        "forgetting_ratio",
        "memory_bits_per_example",
        "distortion_l1",
    ):
        assert math.isnan(registry.get_sample_value(f"streamlearner_{name}") or 0.0)
    assert slices(registry, "streamlearner_retention_ratio") == set()


def test_too_many_classes_leave_only_the_overall_figure(
    registry: CollectorRegistry, metrics: Metrics
) -> None:
    retention(metrics, {"a": 0.1, "b": 0.2, "c": 0.3})
    assert slices(registry, "streamlearner_retention_ratio") == {
        "overall",
        "period:0",
        "class:a",
        "class:b",
        "class:c",
    }
    retention(metrics, {"a": 0.1, "b": 0.2, "c": 0.3, "d": 0.4})
    assert slices(registry, "streamlearner_retention_ratio") == {"overall", "period:0"}


def test_of_many_periods_the_newest_are_shown(registry: CollectorRegistry, metrics: Metrics) -> None:
    retention(metrics, {}, periods=9)
    assert slices(registry, "streamlearner_retention_ratio") == {
        "overall",
        "period:6",
        "period:7",
        "period:8",
    }


def test_a_partition_that_is_gone_is_no_longer_shown(registry: CollectorRegistry, metrics: Metrics) -> None:
    metrics.publish_source(connected=True, lag={0: 5, 1: 7})
    metrics.publish_source(connected=False, lag={1: 8})
    lag = "streamlearner_stream_lag"
    assert registry.get_sample_value(lag, {"partition": "0"}) is None
    assert registry.get_sample_value(lag, {"partition": "1"}) == 8
    assert registry.get_sample_value("streamlearner_source_connected") == 0


def test_only_one_model_version_is_shown(registry: CollectorRegistry, metrics: Metrics) -> None:
    metrics.publish_version("7", adopted_s=1.0)
    metrics.publish_version("8", adopted_s=2.0)
    assert registry.get_sample_value("streamlearner_model_version_info", {"version": "7"}) is None
    assert registry.get_sample_value("streamlearner_model_version_info", {"version": "8"}) == 1


def test_the_text_can_be_parsed_and_has_no_creation_times(metrics: Metrics) -> None:
    lived(metrics)
    retention(metrics, {'a "quoted"\\ label\N{SNOWMAN}': 0.5})
    text = metrics.exposition().decode()
    names = {sample.name for family in text_string_to_metric_families(text) for sample in family.samples}
    assert "streamlearner_examples_total" in names
    assert not [name for name in names if name.endswith("_created")]
    assert 'slice="class:a \\"quoted\\"\\\\ label\N{SNOWMAN}"' in text


def test_two_daemons_in_one_process_do_not_share_series() -> None:
    registries = CollectorRegistry(), CollectorRegistry()
    first, _ = (Metrics(registry) for registry in registries)
    first.count_gaps(1)
    assert [registry.get_sample_value("streamlearner_stream_gaps_total") for registry in registries] == [1, 0]


def test_counting_a_batch_is_cheap(metrics: Metrics) -> None:
    """About 8 us; the bound only catches a lookup of labels, or a lock that is held while scraping."""

    def batch() -> None:
        metrics.observe_batch(
            learned=10, withheld=1, duplicates=0, seconds=0.002, now_s=1.0, loss=0.1, distortion_l1=0.1,
        )  # fmt: skip
        metrics.observe_accuracy(prequential=0.5, no_change=0.1)

    def nothing() -> None:
        sum(range(1000))

    best = min(timeit.repeat(batch, number=200, repeat=20))
    baseline = min(timeit.repeat(nothing, number=200, repeat=20))
    assert best < 10 * baseline


@pytest.mark.prometheus
def test_promtool_finds_nothing_but_the_documented_bits(metrics: Metrics) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (Debian: apt-get install prometheus)")
    lived(metrics)
    found = subprocess.run(
        [promtool, "check", "metrics"], input=metrics.exposition(), capture_output=True, timeout=30
    )
    complaints = [line for line in found.stderr.decode().splitlines() if "_bits" not in line.split()[0]]
    assert complaints == []
    assert found.returncode in (0, 3)
