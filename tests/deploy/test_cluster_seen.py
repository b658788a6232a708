"""The alerts and the dashboard of a cluster watch series that it declares, and fire on their fault alone."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from streamlearner.telemetry.cluster_series import PREFIX, SERIES
from tests.support.documents import lost_by_grafana

DEPLOY = Path(__file__).resolve().parents[2] / "deploy" / "cluster"
RULES: list[dict[str, Any]] = yaml.safe_load((DEPLOY / "alerts.yml").read_text())["groups"][0]["rules"]
BOARD: dict[str, Any] = json.loads((DEPLOY / "grafana.json").read_text())
DECLARED = {PREFIX + each.name for each in SERIES}


def promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    binary = shutil.which("promtool")
    if binary is None:
        pytest.skip("promtool is not installed (Debian: apt-get install prometheus)")
    return subprocess.run([binary, *arguments], cwd=DEPLOY, capture_output=True, text=True, timeout=120)


def queries() -> list[str]:
    shown = [target["expr"] for panel in BOARD["panels"] for target in panel["targets"]]
    return shown + [mark["expr"] for mark in BOARD["annotations"]["list"]]


def series(name: str, values: str, **labels: str) -> dict[str, str]:
    """Beside the labels that Ray adds."""
    told = ",".join(f'{key}="{value}"' for key, value in ({"WorkerId": "1"} | labels).items())
    return {"series": f"{PREFIX}{name}{{{told}}}", "values": values}


def learner(name: str, values: str, number: int = 0) -> dict[str, str]:
    return series(f"learner_{name}", values, learner=f"learner-{number}")


UP = {"series": 'up{job="streamlearner-cluster"}', "values": "1x120"}
Case = tuple[str, list[dict[str, str]], str]
FIRING: list[Case] = [
    ("StreamlearnerClusterDown", [UP, series("version", "3x5 _x60")], "20m"),
    ("StreamlearnerClusterLearnerWithoutProgress", [learner("silent_seconds", "1x5 10+60x30")], "15m"),
    (
        "StreamlearnerClusterLearnerWithoutProgress",
        [learner("lag", "50x60"), learner("examples", "900x60"), learner("silent_seconds", "1x60")],
        "20m",
    ),
    (
        "StreamlearnerClusterPartitionWithoutOwner",
        [series("partition_owned", "1x5 0x30", partition="2")],
        "20m",
    ),
    ("StreamlearnerClusterReplicaBehind", [series("replicas_behind", "0x5 2x30")], "20m"),
    (
        "StreamlearnerClusterNothingPublished",
        [series("consolidation_refused", "0x5 1x90"), series("unconsolidated_examples", "0+50x90")],
        "60m",
    ),
]
CALM = [
    UP,
    series("version", "0x10 1x20 2x90"),
    learner("silent_seconds", "1x20 15 30 1x97"),
    learner("lag", "40 20 0 0 10x116"),
    learner("examples", "0+100x120"),
    learner("lag", "0x120", 1),
    learner("examples", "0+100x50 0x70", 1),
    learner("silent_seconds", "1x50 0x70", 1),
    series("partition_owned", "1x20 0 1x99", partition="2"),
    series("replicas_behind", "0x30 1 0x89"),
    series("consolidation_refused", "0x30 1x5 0x85"),
    series("unconsolidated_examples", "0+10x120"),
]
"""A learner restarts, another is scaled away, a partition moves, and one consolidation is refused."""


def outcome(folder: Path, given: list[dict[str, str]], asked: list[tuple[str, str, int]]) -> Any:
    """Of a promtool unit test: these series, one value a minute, and how many of these alerts fire when."""
    expected = [
        {
            "expr": f'count(ALERTS{{alertname=~"{alert}",alertstate="firing"}})',
            "eval_time": at,
            "exp_samples": [{"labels": "{}", "value": count}] if count else [],
        }
        for alert, at, count in asked
    ]
    case = {"interval": "1m", "input_series": given, "promql_expr_test": expected}
    rules = {"rule_files": [str(DEPLOY / "alerts.yml")], "evaluation_interval": "1m", "tests": [case]}
    (folder / "case.yml").write_text(yaml.safe_dump(rules))
    return promtool("test", "rules", folder / "case.yml")


def test_alerts_and_dashboard_watch_series_that_are_declared() -> None:
    for texts, least in (([rule["expr"] for rule in RULES], 8), (queries(), 15)):
        used = {name for text in texts for name in re.findall(rf"\b{PREFIX}\w+", text)}
        assert len(used) >= least and used - DECLARED == set()
    assert {rule["labels"]["severity"] for rule in RULES} == {"page", "ticket"}


def test_every_alert_has_a_case_in_which_it_fires() -> None:
    assert {rule["alert"] for rule in RULES} == {alert for alert, *_ in FIRING}


@pytest.mark.prometheus
@pytest.mark.parametrize("case", FIRING, ids=lambda case: case[0])
def test_an_alert_fires_on_its_fault(case: Case, tmp_path: Path) -> None:
    alert, given, at = case
    done = outcome(tmp_path, given, [(alert, at, 1), (alert, "2m", 0)])
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.prometheus
def test_none_fires_while_a_cluster_does_what_clusters_do(tmp_path: Path) -> None:
    done = outcome(tmp_path, CALM, [(".+", at, 0) for at in ("5m", "25m", "40m", "60m", "115m")])
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.prometheus
def test_prometheus_understands_every_query_and_the_scrape(tmp_path: Path) -> None:
    asked = [re.sub(r"\$__rate_interval|\$__interval", "5m", text) for text in queries()]
    rules = [{"record": f"query:{place}", "expr": text} for place, text in enumerate(asked)]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "board", "rules": rules}]}))
    checked = promtool("check", "rules", tmp_path / "rules.yml")
    assert (checked.returncode, f"{len(rules)} rules found" in checked.stdout) == (0, True), checked.stderr
    checked = promtool("check", "config", "prometheus.yml")
    assert (checked.returncode, "1 rule files found" in checked.stdout) == (0, True), checked.stderr


def test_the_scrape_gives_the_series_their_names_and_the_job_its_own() -> None:
    (job,) = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())["scrape_configs"]
    assert all(job["job_name"] in rule["expr"] for rule in RULES if "up{" in rule["expr"])
    (rename,) = job["metric_relabel_configs"]
    (found,) = {re.fullmatch(rename["regex"], f"ray_{name}")[1][: len(PREFIX)] for name in DECLARED}  # type: ignore[index]
    assert found == PREFIX


def test_the_file_of_targets_has_the_name_that_ray_gives_it() -> None:
    ray = pytest.importorskip(
        "ray._private.ray_constants", reason="ray is not installed (the extra `cluster`)"
    )
    (job,) = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())["scrape_configs"]
    (file,) = job["file_sd_configs"][0]["files"]
    assert Path(file).name == ray.PROMETHEUS_SERVICE_DISCOVERY_FILE


def test_panels_lie_side_by_side_have_a_unit_and_say_what_they_show() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in BOARD["panels"]:
        place = panel["gridPos"]
        columns, rows = range(place["x"], place["x"] + place["w"]), range(place["y"], place["y"] + place["h"])
        cells = {(x, y) for x in columns for y in rows}
        assert not cells & taken and place["x"] + place["w"] <= 24, panel["title"]
        taken |= cells
        assert panel["description"] and panel["fieldConfig"]["defaults"]["unit"], panel["title"]
    assert len({panel["id"] for panel in BOARD["panels"]}) == len(BOARD["panels"])


def test_the_dashboard_is_one_by_the_published_types_of_grafana() -> None:
    assert lost_by_grafana(BOARD) == {
        "annotations.list.titleFormat", "annotations.list.step",
    }  # fmt: skip
