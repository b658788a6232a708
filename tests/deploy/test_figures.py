"""The dashboard and the recording rules show series that exist, in queries that Prometheus understands."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry

from streamlearner.telemetry.metrics import Metrics
from tests.support.documents import lost_by_grafana

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
BOARD: dict[str, Any] = json.loads((DEPLOY / "grafana/streamlearner.json").read_text())
RULES: list[dict[str, Any]] = yaml.safe_load((DEPLOY / "recording-rules.yml").read_text())["groups"][0][
    "rules"
]


def declared() -> set[str]:
    registry = CollectorRegistry()
    Metrics(registry)
    found: set[str] = set()
    for family in registry.collect():
        endings = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"], "info": ["_info"]}
        found |= {family.name + ending for ending in endings.get(family.type, [""])}
    return found


def queries() -> list[str]:
    """Of every panel and mark, and the values of variables."""
    asked = [target["expr"] for panel in BOARD["panels"] for target in panel["targets"]]
    asked += [mark["expr"] for mark in BOARD["annotations"]["list"]]
    return asked


def used(texts: list[str]) -> set[str]:
    return {name for text in texts for name in re.findall(r"(?<![:\w])streamlearner_\w+", text)}


def test_every_panel_shows_series_that_the_daemon_declares() -> None:
    variables = [each["definition"] for each in BOARD["templating"]["list"] if "definition" in each]
    shown = used(queries() + variables)
    assert len(shown) >= 20
    assert shown - declared() == set()
    assert used([rule["expr"] for rule in RULES]) - declared() == set()


@pytest.mark.prometheus
def test_prometheus_understands_every_query(tmp_path: Path) -> None:
    if (binary := shutil.which("promtool")) is None:
        pytest.skip("promtool is not installed (Debian: apt-get install prometheus)")
    asked = [
        re.sub(r"\$__rate_interval|\$__interval", "5m", text).replace("$instance", ".*") for text in queries()
    ]
    rules = [{"record": f"query:{place}", "expr": text} for place, text in enumerate(asked)]
    path = tmp_path / "rules.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    for file, count in ((path, len(rules)), (DEPLOY / "recording-rules.yml", len(RULES))):
        checked = subprocess.run([binary, "check", "rules", file], capture_output=True, text=True, timeout=60)
        assert (checked.returncode, f"{count} rules found" in checked.stdout) == (0, True), checked.stderr


def test_panels_lie_side_by_side_have_a_unit_and_say_what_they_show() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in BOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken and place["x"] + place["w"] <= 24, panel["title"]
        taken |= cells
        assert panel["description"] and panel["fieldConfig"]["defaults"]["unit"], panel["title"]
    assert len({panel["id"] for panel in BOARD["panels"]}) == len(BOARD["panels"])


def test_provisioning_names_the_folder_and_the_prometheus_of_compose() -> None:
    sources = yaml.safe_load((DEPLOY / "grafana/provisioning/datasources/prometheus.yaml").read_text())
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    assert [each["url"] for each in sources["datasources"]] == ["http://prometheus:9090"]
    assert "prometheus" in services


def test_alerts_reach_a_receiver_by_severity() -> None:
    routing = yaml.safe_load((DEPLOY / "alertmanager.yml").read_text())
    receivers = {each["name"] for each in routing["receivers"]}
    alerts = yaml.safe_load((DEPLOY / "alerts.yml").read_text())["groups"][0]["rules"]
    assert {routing["route"]["receiver"]} | {
        each["receiver"] for each in routing["route"]["routes"]
    } == receivers
    assert {rule["labels"]["severity"] for rule in alerts} == {"page", "ticket"}


@pytest.mark.prometheus
def test_the_alertmanager_accepts_its_configuration() -> None:
    if (binary := shutil.which("amtool")) is None:
        pytest.skip("amtool is not installed (Debian: apt-get install prometheus-alertmanager)")
    checked = subprocess.run(
        [binary, "check-config", DEPLOY / "alertmanager.yml"], capture_output=True, text=True, timeout=60
    )
    assert (checked.returncode, "2 receivers" in checked.stdout) == (0, True), checked.stderr


def test_the_dashboard_is_one_by_the_published_types_of_grafana() -> None:
    """What they do not know they leave out: of annotations and variables some keys are the data source's."""
    assert lost_by_grafana(BOARD) == {
        "annotations.list.titleFormat", "annotations.list.textFormat", "annotations.list.step",
        "templating.list.definition",
    }  # fmt: skip
