"""The manifests are valid by Kubernetes' own schemas, and hold together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from streamlearner.config.loading import load

DEPLOY = Path(__file__).resolve().parents[2] / "deploy" / "kubernetes"
LABELS = {"app.kubernetes.io/name": "streamlearner"}


def manifests() -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((DEPLOY / "streamlearner.yaml").read_text()))


def one(kind: str, name: str = "streamlearner") -> dict[str, Any]:
    (found,) = [each for each in manifests() if (each["kind"], each["metadata"]["name"]) == (kind, name)]
    return found


def container() -> dict[str, Any]:
    (found,) = one("StatefulSet")["spec"]["template"]["spec"]["containers"]
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize(
    "kind", ["ConfigMap", "Service", "StatefulSet", "PodDisruptionBudget", "NetworkPolicy"]
)
def test_each_is_valid_by_the_published_schemas(kind: str) -> None:
    kubernetes_validate = pytest.importorskip(
        "kubernetes_validate", reason="kubernetes-validate is not installed"
    )
    found = [each for each in manifests() if each["kind"] == kind]
    assert found
    for each in found:
        kubernetes_validate.validate(each, "1.37", strict=True)
        each["metadata"]["nmae"] = "a slip"
        with pytest.raises(kubernetes_validate.ValidationError):
            kubernetes_validate.validate(each, "1.37", strict=True)


def test_the_daemon_takes_its_configuration(tmp_path: Path) -> None:
    given = one("ConfigMap")["data"]["config.yaml"]
    for role in ("predict", "teach", "read", "operate"):
        (tmp_path / role).write_text("a token of thirty-two characters\n")
    path = tmp_path / "config.yaml"
    path.write_text(given.replace("/run/secrets/streamlearner", str(tmp_path)))
    config = load(path=path, settings={}, environ={})
    mounts = {each["name"]: each["mountPath"] for each in container()["volumeMounts"]}
    assert str(config.state_dir) == mounts["state"]
    assert config.serving.port == container()["ports"][0]["containerPort"]
    assert mounts["tokens"] in given and not config.serving.open_roles


def test_services_policies_and_budgets_choose_the_pod() -> None:
    assert one("StatefulSet")["spec"]["template"]["metadata"]["labels"] == LABELS
    for kind, name in (("Service", "streamlearner"), ("Service", "streamlearner-teach")):
        assert one(kind, name)["spec"]["selector"] == LABELS
        assert one(kind, name)["spec"]["ports"][0]["targetPort"] == container()["ports"][0]["name"]
    assert one("PodDisruptionBudget")["spec"]["selector"]["matchLabels"] == LABELS
    assert one("NetworkPolicy")["spec"]["podSelector"]["matchLabels"] == LABELS


def test_a_fresh_learner_can_be_taught_before_it_is_ready() -> None:
    assert one("Service", "streamlearner-teach")["spec"]["publishNotReadyAddresses"] is True
    assert "publishNotReadyAddresses" not in one("Service")["spec"]


def test_a_lost_broker_neither_restarts_it_nor_takes_its_answers_away() -> None:
    paths = {
        name: container()[f"{name}Probe"]["httpGet"]["path"] for name in ("startup", "liveness", "readiness")
    }
    assert paths["startup"] == paths["liveness"] == "/livez"
    assert paths["readiness"] == "/readyz?exclude=source&exclude=learning"


def test_there_is_one_learner_and_it_has_time_to_drain() -> None:
    spec = one("StatefulSet")["spec"]
    assert spec["replicas"] == 1
    assert spec["template"]["spec"]["terminationGracePeriodSeconds"] == 60


def test_the_scrape_meets_the_port_and_the_token_of_the_pod() -> None:
    monitor = yaml.safe_load((DEPLOY / "podmonitor.yaml").read_text())["spec"]
    (endpoint,) = monitor["podMetricsEndpoints"]
    (tokens,) = [
        volume
        for volume in one("StatefulSet")["spec"]["template"]["spec"]["volumes"]
        if volume["name"] == "tokens"
    ]
    (chosen,) = monitor["selector"]["matchExpressions"]
    assert chosen["operator"] == "In" and LABELS[chosen["key"]] in chosen["values"]
    assert endpoint["port"] == container()["ports"][0]["name"]
    assert endpoint["authorization"]["credentials"] == {"name": tokens["secret"]["secretName"], "key": "read"}
