"""The deployment files agree with each other and with the configuration that the daemon reads."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from streamlearner.config.loading import load

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"


def read(name: str) -> Any:
    return yaml.safe_load((DEPLOY / name).read_text())


def environ_of(environment: dict[str, str]) -> dict[str, str]:
    """What compose makes of it where the user sets nothing."""
    return {name: re.sub(r"\$\{\w+:-(.*)\}", r"\1", text) for name, text in environment.items()}


@pytest.mark.parametrize("name", ["compose.yaml", "cluster/compose.yaml"])
def test_each_compose_file_is_valid_by_the_published_schema(name: str) -> None:
    schema = json.loads((Path(__file__).parent / "compose_schema.json").read_text())
    validator = jsonschema.Draft7Validator(schema)
    validator.validate(read(name))
    misspelt = read(name)
    misspelt["services"]["kafka"]["enviroment"] = {}
    with pytest.raises(jsonschema.ValidationError, match="enviroment"):
        validator.validate(misspelt)


@pytest.mark.parametrize("name", ["compose.yaml", "cluster/compose.yaml"])
def test_each_script_in_a_compose_file_is_one_to_its_shell(name: str) -> None:
    scripts = [
        (service["entrypoint"][0], service["command"][0].replace("$$", "$"))
        for service in read(name)["services"].values()
        if "/bin/sh" in service.get("entrypoint", ())
    ]
    assert scripts
    for shell, script in scripts:
        checked = subprocess.run([shell, "-n", "-e", "-c", script], capture_output=True, text=True)
        assert checked.returncode == 0, checked.stderr


def test_compose_starts_kafka_then_its_topics_then_the_daemon() -> None:
    services = read("compose.yaml")["services"]
    assert set(services) == {"kafka", "topics", "streamlearner", "prometheus", "grafana"}
    assert services["topics"]["depends_on"]["kafka"]["condition"] == "service_healthy"
    assert services["streamlearner"]["depends_on"]["topics"]["condition"] == "service_completed_successfully"
    assert "healthcheck" in services["kafka"]


def test_compose_publishes_on_this_machine_only() -> None:
    services = read("compose.yaml")["services"].values()
    ports = [port for service in services for port in service.get("ports", [])]
    assert len(ports) == 4
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []


def test_the_daemon_finds_the_broker_and_the_topic_that_compose_makes() -> None:
    services = read("compose.yaml")["services"]
    environment = services["streamlearner"]["environment"]
    advertised = services["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"]
    assert f"//{environment['STREAMLEARNER_SOURCE__KAFKA__BOOTSTRAP_SERVERS']}," in advertised
    assert environment["STREAMLEARNER_SOURCE__KAFKA__TOPIC"] in services["topics"]["command"][0].split()
    assert f"state:{environment['STREAMLEARNER_STATE_DIR']}" in services["streamlearner"]["volumes"]


def test_the_daemon_in_compose_is_restricted_and_given_time_to_drain() -> None:
    daemon = read("compose.yaml")["services"]["streamlearner"]
    assert (daemon["read_only"], daemon["cap_drop"]) == (True, ["ALL"])
    assert daemon["stop_grace_period"] == "60s"


def test_every_volume_is_declared_and_every_mounted_file_exists() -> None:
    compose = read("compose.yaml")
    mounts = [mount for service in compose["services"].values() for mount in service.get("volumes", [])]
    named = {mount.split(":")[0] for mount in mounts}
    files = {name for name in named if name.startswith("./")}
    assert named - files == set(compose["volumes"])
    of_prometheus = {"./prometheus.yml", "./alerts.yml", "./recording-rules.yml"}
    assert files == of_prometheus | {"./grafana/provisioning", "./grafana/streamlearner.json"}
    assert [name for name in files if not (DEPLOY / name).exists()] == []


def test_prometheus_in_compose_has_every_file_of_rules_that_it_names() -> None:
    mounts = read("compose.yaml")["services"]["prometheus"]["volumes"]
    for name in read("prometheus.yml")["rule_files"]:
        assert f"./{name}:/etc/prometheus/{name}:ro" in mounts


def test_grafana_in_compose_finds_the_dashboard_where_its_provisioning_looks() -> None:
    folder = read("grafana/provisioning/dashboards/streamlearner.yaml")["providers"][0]["options"]["path"]
    grafana = read("compose.yaml")["services"]["grafana"]
    assert f"./grafana/streamlearner.json:{folder}/streamlearner.json:ro" in grafana["volumes"]
    assert "./grafana/provisioning:/etc/grafana/provisioning:ro" in grafana["volumes"]
    assert grafana["profiles"] == ["grafana"], "who does not ask for it does not get it"


def test_the_image_runs_as_nobody_in_particular_and_answers_for_its_health() -> None:
    final = (DEPLOY / "Dockerfile").read_text().rpartition("\nFROM ")[2]
    assert re.search(r"^USER 10001:10001$", final, re.MULTILINE)
    assert re.search(r"^STOPSIGNAL SIGTERM$", final, re.MULTILINE)
    assert re.search(r"^VOLUME /var/lib/streamlearner$", final, re.MULTILINE)
    assert re.search(r"^HEALTHCHECK .*\n.*/livez", final, re.MULTILINE)


def test_the_image_and_compose_bind_every_address_and_make_a_token_for_what_changes_the_model() -> None:
    image = dict(re.findall(r"(STREAMLEARNER_\w+)=(\S+)", (DEPLOY / "Dockerfile").read_text()))
    serving = load(path=None, environ=image).serving
    assert (serving.host, serving.make_token, serving.open_roles) == ("0.0.0.0", True, [])
    environment = read("compose.yaml")["services"]["streamlearner"]["environment"]
    composed = load(path=None, environ=environ_of(environment)).serving
    assert (composed.host, composed.make_token) == ("0.0.0.0", True)
    assert "operate" not in composed.open_roles


def test_the_image_copies_only_what_the_build_context_lets_through() -> None:
    rules = (ROOT / ".dockerignore").read_text().splitlines()
    let_through = {rule[1:] for rule in rules if rule.startswith("!")}
    dockerfile = (DEPLOY / "Dockerfile").read_text()
    copied = {
        word
        for line in re.findall(r"^COPY (?!--from)(.+)$", dockerfile, re.MULTILINE)
        for word in line.split()[:-1]
    }
    assert copied == let_through


def test_prometheus_scrapes_the_port_that_the_daemon_serves() -> None:
    (job,) = read("prometheus.yml")["scrape_configs"]
    (target,) = job["static_configs"][0]["targets"]
    environment = read("compose.yaml")["services"]["streamlearner"]["environment"]
    assert job["job_name"] == "streamlearner"
    assert job["static_configs"][0]["targets"] == [
        f"streamlearner:{environment['STREAMLEARNER_SERVING__PORT']}"
    ]
    assert environment["STREAMLEARNER_SERVING__ALLOWED_HOSTS"] == target.partition(":")[0]


def test_the_environment_in_compose_is_a_configuration() -> None:
    environment = read("compose.yaml")["services"]["streamlearner"]["environment"]
    found = load(path=None, environ=environ_of(environment))
    assert (found.source.type, found.source.kafka.bootstrap_servers) == ("kafka", "kafka:9092")
    assert found.memory.budget_bits == 64 * 1024 * 8
    assert found.dead_letters.topic in read("compose.yaml")["services"]["topics"]["command"][0]
