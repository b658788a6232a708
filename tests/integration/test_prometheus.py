"""A real Prometheus scrapes a running daemon: the series are there, and their values are the daemon's own."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from streamlearner import __version__
from streamlearner.decoding.codec import REASONS
from streamlearner.decoding.inputs import wire_input
from tests.support.daemon_process import ROOT, DaemonProcess, free_port
from tests.support.digit_stream import DIGITS, DigitStream
from tests.support.patience import Patience

pytestmark = [pytest.mark.prometheus, pytest.mark.slow]

END_S = 120.0
SETTINGS: dict[str, Any] = {
    "source": {"type": "files", "files": {"format": "digits", "order": "label"}},
    "memory": {"budget_bits": 20_000},
    "exam": {"fraction": 0.1},
    "sleep": {"every_examples": 500, "min_examples": 100, "steps": 40},
}


class Prometheus:
    """A server on `port` that scrapes one target every second, configured as in deploy/."""

    def __init__(self, folder: Path, *, target: str) -> None:
        self.port = free_port()
        self.log = folder / "prometheus.log"
        self._folder = folder
        deployed = yaml.safe_load((ROOT / "deploy" / "prometheus.yml").read_text())
        deployed["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
        deployed["rule_files"] = [str(ROOT / "deploy" / name) for name in deployed["rule_files"]]
        (scrape,) = deployed["scrape_configs"]
        scrape["static_configs"] = [{"targets": [target]}]
        (folder / "prometheus.yml").write_text(yaml.safe_dump(deployed))

    @contextmanager
    def running(self) -> Iterator[Prometheus]:
        command = [
            *("prometheus", f"--config.file={self._folder / 'prometheus.yml'}"),
            *(f"--storage.tsdb.path={self._folder / 'tsdb'}", f"--web.listen-address=127.0.0.1:{self.port}"),
        ]
        with self.log.open("wb") as log:
            process = subprocess.Popen(
                command, cwd=self._folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        try:
            yield self
        finally:
            process.terminate()
            try:
                process.wait(timeout=END_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(timeout=END_S)

    def ask(self, path: str, **query: str) -> Any:
        """The `data` of an answer of the HTTP API."""
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(url, timeout=10) as answer:
            body = json.load(answer)
        assert body["status"] == "success", body
        return body["data"]

    def values(self, query: str, label: str) -> dict[str, float]:
        """An instant vector by the value of one label."""
        found = self.ask("query", query=query)["result"]
        return {sample["metric"].get(label, ""): float(sample["value"][1]) for sample in found}

    def wait_until(self, holds: Callable[[Prometheus], bool], what: str) -> None:
        patience = Patience()
        while patience.lasts(self.log.stat().st_size):
            try:
                if holds(self):
                    return
            except OSError:
                pass  # it does not listen yet
            time.sleep(0.1)
        raise AssertionError(
            f"{what}: did not come true; {patience}\n{self.log.read_text(errors='replace')[-2000:]}"
        )


def installed(name: str) -> str:
    binary = shutil.which(name)
    if binary is None:
        pytest.skip(f"{name} is not installed (Debian: apt-get install prometheus)")
    return binary


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaemonProcess]:
    """Has learned all digits and slept; nothing changes any more but the time."""
    made = DaemonProcess(tmp_path_factory.mktemp("daemon"), SETTINGS)
    try:
        made.start().wait_until_taken(DIGITS)
        yield made
    finally:
        made.close()


@pytest.fixture(scope="module")
def prometheus(daemon: DaemonProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    installed("prometheus")
    server = Prometheus(tmp_path_factory.mktemp("prometheus"), target=f"127.0.0.1:{daemon.port}")
    with server.running():
        server.wait_until(
            lambda server: server.values("up", "job") == {"streamlearner": 1.0}, "a first scrape"
        )
        yield server


def test_what_became_of_the_examples_is_what_the_status_says(
    daemon: DaemonProcess, prometheus: Prometheus
) -> None:
    counts = daemon.ask("/v1/status")["examples"]
    assert counts["learned"] + counts["withheld"] == DIGITS
    assert prometheus.values("streamlearner_examples_total", "outcome") == counts
    assert prometheus.values("streamlearner_rejects_total", "reason") == dict.fromkeys(REASONS, 0.0)
    assert prometheus.values("streamlearner_stream_lag", "partition") == {"0": 0.0}
    assert prometheus.values("streamlearner_source_connected", "job") == {"streamlearner": 1.0}


def test_retention_is_what_the_exam_says(daemon: DaemonProcess, prometheus: Prometheus) -> None:
    document, status = daemon.ask("/v1/retention"), daemon.ask("/v1/status")
    shown = prometheus.values("streamlearner_retention_ratio", "slice")
    assert 0 < document["overall"] == shown["overall"]
    assert {name: shown[f"class:{name}"] for name in document["by_class"]} == document["by_class"]
    assert len(document["by_class"]) == 10
    periods = {f"period:{i}": share for i, share in enumerate(document["by_period"]) if share is not None}
    assert {name: shown[name] for name in periods} == periods and len(periods) >= 3
    for name in ("forgetting", "backward_transfer"):
        assert prometheus.values(f"streamlearner_{name}_ratio", "") == {"": document[name]}
    assert (
        prometheus.values("streamlearner_readout_ratio", "slice")["overall"] == document["readout"]["overall"]
    )
    assert prometheus.values("streamlearner_prequential_accuracy_ratio", "") == {
        "": status["prequential_accuracy"]
    }
    assert prometheus.values("streamlearner_sleeps_total", "outcome") == status["sleeps"] | {"interrupted": 0}
    version = status["model_version"].split(".")[0]
    assert prometheus.values("streamlearner_model_version_info", "version") == {version: 1.0}


def test_bits_held_are_those_of_the_memory_report_and_within_the_budget(
    daemon: DaemonProcess, prometheus: Prometheus
) -> None:
    document = daemon.ask("/v1/memory")
    held = prometheus.values("streamlearner_memory_bits", "store")
    assert held == document["stored_bits"] and held.keys() == {"recollections", "exam"}
    budgets = {"recollections": document["budget_bits"], "exam": document["exam_budget_bits"]}
    budgets |= {"dream": document["dream_budget_bits"], "predictions": document["predictions_budget_bits"]}
    assert prometheus.values("streamlearner_memory_budget_bits", "store") == budgets
    assert document["budget_bits"] == SETTINGS["memory"]["budget_bits"]
    assert all(0 < bits <= budgets[store] for store, bits in held.items())
    assert prometheus.values("streamlearner_memory_parameter_bits", "module") == document["parameter_bits"]
    assert prometheus.values("streamlearner_memory_bits_per_example", "") == {
        "": document["bits_per_example"]
    }
    recalled = prometheus.values("streamlearner_recollections", "slice")
    assert recalled.pop("overall") == document["recollections"]
    assert recalled == {f"class:{name}": n for name, n in document["recollections_by_class"].items()}


def test_predictions_and_checkpoints_are_counted(daemon: DaemonProcess, prometheus: Prometheus) -> None:
    inputs = [wire_input(image[None]) for image in DigitStream(rounds=1).images[:30]]
    (route,) = {found["route"] for found in daemon.ask("/v1/predict", {"inputs": inputs})["predictions"]}
    answered = "streamlearner_predictions_total"
    prometheus.wait_until(
        lambda server: server.values(answered, "route").get(route) == 30, f"{answered} is 30"
    )
    assert sum(prometheus.values(answered, "route").values()) == 30
    saved = prometheus.values("streamlearner_checkpoint_last_success_timestamp_seconds", "")[""]
    assert time.time() - 600 < saved <= time.time()
    assert prometheus.values("streamlearner_build_info", "version") == {__version__: 1.0}
    assert prometheus.values("count(streamlearner_learn_seconds_bucket) > 5", "").keys() == {""}


def test_the_deployed_alerts_are_evaluated_and_none_fires(prometheus: Prometheus) -> None:
    def evaluated(server: Prometheus) -> bool:
        groups = server.ask("rules")["groups"]
        return all(rule["health"] == "ok" for group in groups for rule in group["rules"])

    prometheus.wait_until(evaluated, "every alert is evaluated without an error")
    (group,) = [one for one in prometheus.ask("rules")["groups"] if one["rules"][0]["type"] == "alerting"]
    deployed = yaml.safe_load((ROOT / "deploy" / "alerts.yml").read_text())["groups"][0]
    assert [rule["name"] for rule in group["rules"]] == [rule["alert"] for rule in deployed["rules"]]
    assert [alert for alert in prometheus.ask("alerts")["alerts"] if alert["state"] == "firing"] == []


def test_promtool_objects_to_nothing_on_the_page_but_the_unit_bits(daemon: DaemonProcess) -> None:
    """`_bits` is documented as the one unit that is no base unit: remarks pass that ask for bytes in place of
    it, and no others."""
    with urllib.request.urlopen(f"http://127.0.0.1:{daemon.port}/metrics", timeout=10) as answer:
        page = answer.read()
    found = subprocess.run(
        [installed("promtool"), "check", "metrics"], input=page, capture_output=True, timeout=30
    )
    complaints = found.stderr.decode().splitlines()
    passed = [line for line in complaints if "_bits" in line.split()[0] and 'base unit "bytes"' in line]
    assert complaints == passed and len(passed) > 0
    assert found.returncode == 3, "3 is what promtool ends with when it only had remarks"
