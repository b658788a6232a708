"""The alerts are valid, watch series that exist, fire on their fault and stay silent on a calm daemon."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry

from streamlearner.telemetry.metrics import Metrics
from tests.support.alert_cases import CALM, FIRING, NEVER_SEEN, Case

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
RULES: list[dict[str, Any]] = yaml.safe_load((DEPLOY / "alerts.yml").read_text())["groups"][0]["rules"]


def promtool(*arguments: str, cwd: Path = DEPLOY) -> subprocess.CompletedProcess[str]:
    binary = shutil.which("promtool")
    if binary is None:
        pytest.skip("promtool is not installed (Debian: apt-get install prometheus)")
    return subprocess.run([binary, *arguments], cwd=cwd, capture_output=True, text=True, timeout=60)


def test_the_alerts_watch_series_that_the_daemon_declares() -> None:
    registry = CollectorRegistry()
    Metrics(registry)
    families = {(family.name, family.type) for family in registry.collect()}
    declared = {f"{name}_total" if kind == "counter" else name for name, kind in families}
    declared |= {f"{name}_bucket" for name, kind in families if kind == "histogram"}
    used = {name for rule in RULES for name in re.findall(r"\bstreamlearner_\w+", rule["expr"])}
    assert len(used) >= 13
    assert used - declared == set()


@pytest.mark.prometheus
def test_promtool_accepts_the_rules_and_the_configuration() -> None:
    assert promtool("check", "rules", "alerts.yml").returncode == 0
    checked = promtool("check", "config", "prometheus.yml")
    assert (checked.returncode, "2 rule files found" in checked.stdout) == (0, True), checked.stderr


def rule_test(folder: Path, *, input_series: list[dict[str, str]], queries: list[dict[str, Any]]) -> Path:
    """A promtool unit test: these series, one value a minute, and what ALERTS then holds."""
    case = {"interval": "1m", "input_series": input_series, "promql_expr_test": queries}
    path = folder / "case.yml"
    rules = str(DEPLOY / "alerts.yml")
    path.write_text(yaml.safe_dump({"rule_files": [rules], "evaluation_interval": "1m", "tests": [case]}))
    return path


def firing(alert: str, at: str, samples: int) -> dict[str, Any]:
    expected = [{"labels": "{}", "value": samples}] if samples else []
    query = f'count(ALERTS{{alertname=~"{alert}",alertstate="firing"}})'
    return {"expr": query, "eval_time": at, "exp_samples": expected}


def test_every_alert_has_a_case_in_which_it_fires() -> None:
    assert {rule["alert"] for rule in RULES} == set(FIRING)


GONE_IS_GOOD = {"StreamlearnerHeldBack", "StreamlearnerModelDiverged"}
"""Held back messages that are stable again, and doubts that are none any more, are no longer shown; they are
never NaN."""


def lost(case: dict[str, str], at_min: int) -> dict[str, str]:
    """A gauge that has no value any more from this minute on; anything else as it is."""
    registry = CollectorRegistry()
    Metrics(registry)
    gauges = {family.name for family in registry.collect() if family.type == "gauge"}
    if case["series"].split("{")[0] not in gauges:
        return case
    first, *values = re.sub(r"\S+", unrolled, case["values"]).split()
    return case | {"values": " ".join([first, *values][:at_min]) + " NaN" * 30}


def unrolled(match: re.Match[str]) -> str:
    """`3x4` and `1+2x3` value by value."""
    word = match[0]
    start, _, count = word.partition("x")
    value, _, step = start.partition("+")
    if not count:
        return word
    return " ".join(f"{float(value) + n * float(step or 0):g}" for n in range(int(count) + 1))


@pytest.mark.prometheus
@pytest.mark.parametrize("alert", sorted(FIRING.keys() - GONE_IS_GOOD))
def test_an_alert_does_not_resolve_because_its_gauge_has_no_value_any_more(
    alert: str, tmp_path: Path
) -> None:
    input_series, at = FIRING[alert]
    minute = int(at.removesuffix("m"))
    cut = [lost(case, minute) for case in input_series]
    queries = [firing(alert, at, 1), firing(alert, f"{minute + 5}m", 1)]
    done = promtool("test", "rules", str(rule_test(tmp_path, input_series=cut, queries=queries)))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.prometheus
@pytest.mark.parametrize(
    ("alert", "case"), [*FIRING.items(), ("StreamlearnerReplicaBehind", (NEVER_SEEN, "15m"))]
)
def test_an_alert_fires_on_its_fault(alert: str, case: Case, tmp_path: Path) -> None:
    path = rule_test(tmp_path, input_series=case[0], queries=[firing(alert, case[1], 1)])
    done = promtool("test", "rules", str(path))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.prometheus
def test_no_alert_fires_on_a_calm_daemon(tmp_path: Path) -> None:
    times = ("5m", "30m", "60m", "115m")
    path = rule_test(tmp_path, input_series=CALM, queries=[firing(".+", at, 0) for at in times])
    done = promtool("test", "rules", str(path))
    assert done.returncode == 0, done.stdout + done.stderr
