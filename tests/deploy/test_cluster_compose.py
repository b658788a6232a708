"""The compose file of a cluster on one machine agrees with itself, the configuration and Prometheus."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from streamlearner.app.cluster_setup import check_cluster, replicas_of
from streamlearner.config.loading import load
from tests.deploy.test_deploy import environ_of

FOLDER = Path(__file__).resolve().parents[2] / "deploy" / "cluster"
COMPOSE: dict[str, Any] = yaml.safe_load((FOLDER / "compose.yaml").read_text())
CLUSTER: dict[str, Any] = COMPOSE["services"]["cluster"]


def environ() -> dict[str, str]:
    given = {name: text for name, text in CLUSTER["environment"].items() if name.startswith("STREAMLEARNER_")}
    return environ_of(given)


def test_two_learners_and_two_replicas_share_four_partitions() -> None:
    config = load(path=None, environ=environ())
    check_cluster(config)
    assert (config.cluster.learners, replicas_of(config.cluster).most) == (2, 2)
    made = COMPOSE["services"]["topics"]["command"][0]
    assert "--partitions 4" in made
    kafka = config.source.settings_of("kafka")
    assert {kafka.topic, kafka.labels_topic, config.dead_letters.topic} <= set(made.replace(";", " ").split())
    advertised = COMPOSE["services"]["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"]
    assert f"//{kafka.bootstrap_servers}," in advertised


def words_of_ray() -> list[str]:
    (words,) = [line for line in CLUSTER["command"][0].splitlines() if line.startswith("ray start")]
    return words.split()


def test_ray_takes_each_word_that_it_is_started_with() -> None:
    scripts = pytest.importorskip("ray.scripts.scripts", reason="ray is not installed (the extra `cluster`)")
    context = scripts.start.make_context("start", words_of_ray()[2:])  # exits where it knows one of them not
    assert context.params["head"] and context.params["metrics_export_port"] == 8081
    assert "get-auth-token" in CLUSTER["command"][0] and "get-auth-token" in scripts.cli.commands


def test_ray_has_cores_for_all_processes() -> None:
    cluster = load(path=None, environ=environ()).cluster
    wanted = cluster.learners * cluster.learner_cpus + cluster.consolidator_cpus
    wanted += replicas_of(cluster).most * cluster.replica_cpus
    (cores,) = [word.partition("=")[2] for word in words_of_ray() if word.startswith("--num-cpus")]
    assert float(cores) >= wanted


def test_prometheus_reads_the_file_of_targets_where_ray_writes_it() -> None:
    (job,) = yaml.safe_load((FOLDER / "prometheus.yml").read_text())["scrape_configs"]
    (file,) = job["file_sd_configs"][0]["files"]
    folder = str(Path(file).parent)
    assert f"--temp-dir={folder} " in CLUSTER["command"][0]
    assert f"ray:{folder}" in CLUSTER["volumes"]
    assert f"ray:{folder}:ro" in COMPOSE["services"]["prometheus"]["volumes"]
    assert f" {folder}\n" in (FOLDER.parent / "Dockerfile").read_text(), "nobody else could write there"


def test_every_port_is_of_this_machine_and_every_volume_and_file_is_there() -> None:
    services = COMPOSE["services"].values()
    ports = [port for service in services for port in service.get("ports", [])]
    assert ports and all(port.startswith("127.0.0.1:") for port in ports)
    named = {mount.split(":")[0] for service in services for mount in service.get("volumes", [])}
    files = {name for name in named if name.startswith(".")}
    assert named - files == set(COMPOSE["volumes"])
    assert [name for name in files if not (FOLDER / name).exists()] == []


def test_the_processes_are_restricted_and_given_time_to_drain() -> None:
    assert (CLUSTER["read_only"], CLUSTER["cap_drop"]) == (True, ["ALL"])
    assert CLUSTER["stop_grace_period"] == "120s"
    assert CLUSTER["build"]["args"]["EXTRAS"] == "cluster"
