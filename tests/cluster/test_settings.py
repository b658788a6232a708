"""What a cluster's processes take, and how many replicas there are, as Ray is told."""

from __future__ import annotations

from typing import Any

import pytest

from streamlearner.app.cluster_setup import Resources, replicas_of
from streamlearner.config.cluster_settings import ClusterSection
from streamlearner.config.loading import load, parse_settings
from streamlearner.errors import ConfigError


def section(*settings: str, environ: dict[str, str] | None = None) -> ClusterSection:
    return load(path=None, settings=parse_settings(list(settings)), environ=environ or {}).cluster


@pytest.mark.parametrize(
    ("replicas", "expected"),
    [
        ("3", {"num_replicas": 3}),
        ("0", {"num_replicas": 0}),
        ("{min: 2, max: 2}", {"num_replicas": 2}),
        (
            "{min: 2, max: 8}",
            {"autoscaling_config": {"min_replicas": 2, "max_replicas": 8, "target_ongoing_requests": 2.0}},
        ),
    ],
)
def test_replicas_are_a_number_or_bounds(replicas: str, expected: dict[str, Any]) -> None:
    assert replicas_of(section(f"cluster.replicas={replicas}")).options() == expected
    environ = {"STREAMLEARNER_CLUSTER__REPLICAS": replicas}
    assert replicas_of(section(environ=environ)).options() == expected


@pytest.mark.parametrize(
    "replicas",
    [
        "-1",
        "2.5",
        "true",
        "{min: 2}",
        "{min: 3, max: 2}",
        "{min: 0, max: 2}",
        "{}",
        "100000",
        "{min: 1, max: 5000}",
    ],
)
def test_what_is_neither_is_refused_by_name(replicas: str) -> None:
    with pytest.raises(ConfigError, match=r"cluster\.replicas"):
        section(f"cluster.replicas={replicas}")


def test_a_misspelt_bound_is_named() -> None:
    with pytest.raises(ConfigError, match="least"):
        section("cluster.replicas={least: 2, max: 3}")


def test_bounds_aim_at_so_many_requests_for_each() -> None:
    found = replicas_of(section("cluster.replicas={min: 1, max: 3}", "cluster.replica_requests=5"))
    assert found.options()["autoscaling_config"]["target_ongoing_requests"] == 5.0


@pytest.mark.parametrize(
    ("memory", "expected"), [("2 GiB", 2 * 2**30), ("1.5 MB", 1_500_000), ("4096", 4096), ("null", None)]
)
def test_memory_is_set_aside_in_bytes(memory: str, expected: int | None) -> None:
    for kind in ("learner", "consolidator", "replica"):
        assert getattr(section(f"cluster.{kind}_memory={memory}"), f"{kind}_memory") == expected


def test_memory_that_is_no_amount_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"cluster\.learner_memory.*2 GiB"):
        section("cluster.learner_memory=lots")


def test_ray_is_told_what_a_process_takes() -> None:
    assert Resources(0.5, None).options() == {"num_cpus": 0.5}
    assert Resources(1.0, 4096).options() == {"num_cpus": 1.0, "memory": 4096}
