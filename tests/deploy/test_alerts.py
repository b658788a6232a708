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


def series(name: str, values: str) -> dict[str, str]:
    return {"series": name, "values": values}


D = 'instance="d:8080"'
Case = tuple[list[dict[str, str]], str]
FIRING: dict[str, Case] = {
    "StreamlearnerDown": ([series(f'up{{job="streamlearner",{D}}}', "1 0x20")], "10m"),
    "StreamlearnerRestarting": (
        [series(f'process_start_time_seconds{{job="streamlearner",{D}}}', "0 0 200 200 300 400x20")],
        "10m",
    ),
    "StreamlearnerSourceLost": ([series(f"streamlearner_source_connected{{{D}}}", "1 0x20")], "10m"),
    "StreamlearnerGap": ([series(f"streamlearner_stream_gaps_total{{{D}}}", "0 0 7x20")], "10m"),
    "StreamlearnerHeldBack": (
        [series(f'streamlearner_stream_held_back{{partition="0",{D}}}', "0 3x40")],
        "30m",
    ),
    "StreamlearnerCheckpointsFail": (
        [series(f'streamlearner_checkpoint_saves_total{{outcome="failed",{D}}}', "0+1x20")],
        "15m",
    ),
    "StreamlearnerModelDiverged": ([series(f'streamlearner_doubts{{name="diverged",{D}}}', "_ 1x20")], "10m"),
    "StreamlearnerDeadLettersPending": (
        [series(f"streamlearner_dead_letters_pending{{{D}}}", "3x30")],
        "20m",
    ),
    "StreamlearnerNotLearning": (
        [
            series(f'streamlearner_stream_lag{{partition="0",{D}}}', "50x60"),
            series(f'streamlearner_examples_total{{outcome="learned",{D}}}', "900x60"),
        ],
        "40m",
    ),
    "StreamlearnerFallingBehind": (
        [series(f'streamlearner_stream_lag{{partition="0",{D}}}', "20000+100x90")],
        "80m",
    ),
    "StreamlearnerThinned": (
        [
            series(f"streamlearner_examples_without_steps_total{{{D}}}", "0x10 0+50x60"),
            series(f'streamlearner_examples_total{{outcome="learned",{D}}}', "0+100x70"),
        ],
        "20m",
    ),
    "StreamlearnerCheckpointStale": (
        [
            series(f"streamlearner_checkpoint_last_success_timestamp_seconds{{{D}}}", "60x60"),
            series(f'streamlearner_examples_total{{outcome="learned",{D}}}', "0+100x60"),
        ],
        "40m",
    ),
    "StreamlearnerRejectsMany": (
        [
            series(f'streamlearner_rejects_total{{reason="schema",{D}}}', "0+10x60"),
            series(f'streamlearner_examples_total{{outcome="learned",{D}}}', "0+100x60"),
        ],
        "40m",
    ),
    "StreamlearnerLearningFailed": (
        [series(f'streamlearner_rejects_total{{reason="learning_failed",{D}}}', "_ 5x60")],
        "10m",
    ),
    "StreamlearnerRetentionFell": (
        [series(f'streamlearner_retention_ratio{{slice="overall",{D}}}', "0.9x30 0.6x90")],
        "110m",
    ),
    "StreamlearnerSleepsRefused": (
        [series(f'streamlearner_sleeps_total{{outcome="refused",{D}}}', "0 1 2 3 4 5x60")],
        "20m",
    ),
    "StreamlearnerMemoryOverBudget": (
        [
            series(f'streamlearner_memory_bits{{store="recollections",{D}}}', "60x9"),
            series(f'streamlearner_memory_bits{{store="statistics",{D}}}', "41x9"),
            series(f'streamlearner_memory_budget_bits{{store="recollections",{D}}}', "100x9"),
        ],
        "5m",
    ),
    "StreamlearnerPredictionsSlow": (
        [
            series(f'streamlearner_predict_seconds_bucket{{le="0.5",{D}}}', "0+1x60"),
            series(f'streamlearner_predict_seconds_bucket{{le="1",{D}}}', "0+100x60"),
            series(f'streamlearner_predict_seconds_bucket{{le="+Inf",{D}}}', "0+100x60"),
        ],
        "30m",
    ),
    "StreamlearnerHistoryNotWritten": (
        [series(f"streamlearner_history_failures_total{{{D}}}", "0+1x30")],
        "15m",
    ),
    "StreamlearnerExportFailed": (
        [series(f'streamlearner_exports_total{{outcome="failed",{D}}}', "_ 1x60")],
        "10m",
    ),
    "StreamlearnerPublisherFailed": (
        [series(f'streamlearner_publications_total{{outcome="failed",{D}}}', "0 0 1x60")],
        "10m",
    ),
    "StreamlearnerReplicaBehind": (
        [series(f"streamlearner_followed_seen_timestamp_seconds{{{D}}}", "0 60x60")],
        "15m",
    ),
}
NEVER_SEEN = [
    series(f"streamlearner_followed_seen_timestamp_seconds{{{D}}}", "NaN" + " NaN" * 30),
    series(f'streamlearner_follows_total{{outcome="failed",{D}}}', "0+60x30"),
]
"""A replica that never saw what is published."""
CALM = [
    series(f'process_start_time_seconds{{job="streamlearner",{D}}}', "7x120"),
    series(f"streamlearner_source_connected{{{D}}}", "1x60 0 0 1x58"),
    series(f"streamlearner_stream_gaps_total{{{D}}}", "0x120"),
    series(f'streamlearner_stream_held_back{{partition="0",{D}}}', "5x10 _ 5x10 _x98"),
    series(f'streamlearner_checkpoint_saves_total{{outcome="failed",{D}}}', "0x120"),
    series(f"streamlearner_dead_letters_pending{{{D}}}", "0x60 2 2 0x58"),
    series(f'up{{job="streamlearner",{D}}}', "1x120"),
    series(f'streamlearner_doubts{{name="exam_small",{D}}}', "1x120"),
    series(f'streamlearner_stream_lag{{partition="0",{D}}}', "40 20 30 10x117"),
    series(f'streamlearner_examples_total{{outcome="learned",{D}}}', "0+100x120"),
    series(f"streamlearner_examples_without_steps_total{{{D}}}", "0x120"),
    series(f'streamlearner_rejects_total{{reason="schema",{D}}}', "0+1x120"),
    series(f'streamlearner_rejects_total{{reason="learning_failed",{D}}}', "0x120"),
    series(f"streamlearner_checkpoint_last_success_timestamp_seconds{{{D}}}", "0+60x120"),
    series(f'streamlearner_retention_ratio{{slice="overall",{D}}}', "0.9x60 0.85x60"),
    series(f'streamlearner_sleeps_total{{outcome="refused",{D}}}', "0+1x120"),
    series(f'streamlearner_sleeps_total{{outcome="adopted",{D}}}', "0+1x120"),
    series(f'streamlearner_memory_bits{{store="recollections",{D}}}', "100x120"),
    series(f'streamlearner_memory_budget_bits{{store="recollections",{D}}}', "100x120"),
    series(f'streamlearner_predict_seconds_bucket{{le="0.01",{D}}}', "0+100x120"),
    series(f'streamlearner_predict_seconds_bucket{{le="+Inf",{D}}}', "0+100x120"),
    series(f"streamlearner_history_failures_total{{{D}}}", "0x60 1x60"),
    series(f'streamlearner_exports_total{{outcome="failed",{D}}}', "0x120"),
    series(f'streamlearner_publications_total{{outcome="failed",{D}}}', "0x120"),
    series(f'streamlearner_follows_total{{outcome="failed",{D}}}', "0x60 60x60"),
    series(f"streamlearner_followed_seen_timestamp_seconds{{{D}}}", "0+60x120"),
]


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
