"""The manifests of replicas are valid by the schemas of Kubernetes, and hold together with the learner's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from streamlearner.commands.main import app
from streamlearner.config.loading import load

DEPLOY = Path(__file__).resolve().parents[2] / "deploy" / "kubernetes"
LABELS = {"app.kubernetes.io/name": "streamlearner-replica"}
KINDS = [
    "ConfigMap",
    "Service",
    "Deployment",
    "HorizontalPodAutoscaler",
    "PodDisruptionBudget",
    "NetworkPolicy",
]


def one(kind: str, *, file: str = "replicas.yaml") -> dict[str, Any]:
    found = [each for each in yaml.safe_load_all((DEPLOY / file).read_text()) if each["kind"] == kind]
    assert isinstance(found[0], dict)
    return found[0]


def pod() -> dict[str, Any]:
    spec = one("Deployment")["spec"]["template"]["spec"]
    assert isinstance(spec, dict)
    return spec


def volumes() -> dict[str, dict[str, Any]]:
    return {volume["name"]: volume for volume in pod()["volumes"]}


def mounts() -> dict[str, dict[str, Any]]:
    return {mount["name"]: mount for mount in pod()["containers"][0]["volumeMounts"]}


def test_there_is_no_manifest_without_a_check() -> None:
    assert [each["kind"] for each in yaml.safe_load_all((DEPLOY / "replicas.yaml").read_text())] == KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_each_is_valid_by_the_published_schemas(kind: str) -> None:
    kubernetes_validate = pytest.importorskip(
        "kubernetes_validate", reason="kubernetes-validate is not installed"
    )
    found = one(kind)
    kubernetes_validate.validate(found, "1.37", strict=True)
    found["metadata"]["nmae"] = "a slip"
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(found, "1.37", strict=True)


def test_the_command_line_and_the_configuration_are_understood(tmp_path: Path) -> None:
    (container,) = pod()["containers"]
    command, *arguments = container["args"]
    serve = get_command(app).commands[command]  # type: ignore[attr-defined]
    given = serve.make_context(command, list(arguments)).params
    text = one("ConfigMap")["data"][Path(given["config"]).name]
    assert str(Path(given["config"]).parent) == mounts()["config"]["mountPath"]
    for role in ("predict", "teach", "read", "operate"):
        (tmp_path / role).write_text("a token of thirty-two characters\n")
    path = tmp_path / "config.yaml"
    path.write_text(text.replace("/run/secrets/streamlearner", str(tmp_path)))
    config = load(path=path, settings={}, environ={})
    assert given["from_"] == str(config.state_dir) == mounts()["state"]["mountPath"]
    assert config.serving.port == container["ports"][0]["containerPort"]
    assert mounts()["tokens"]["mountPath"] in text and not config.serving.open_roles


def test_it_reads_the_learners_volume_and_cannot_write_there() -> None:
    learner = one("StatefulSet", file="streamlearner.yaml")
    (claim,) = learner["spec"]["volumeClaimTemplates"]
    of_the_learner = f"{claim['metadata']['name']}-{learner['metadata']['name']}-0"
    assert volumes()["state"]["persistentVolumeClaim"] == {"claimName": of_the_learner, "readOnly": True}
    assert mounts()["state"]["readOnly"] is True
    assert pod()["containers"][0]["image"] == learner["spec"]["template"]["spec"]["containers"][0]["image"]


def test_who_asks_the_learner_is_not_led_to_a_replica() -> None:
    assert one("Deployment")["spec"]["template"]["metadata"]["labels"] == LABELS
    assert one("Service")["spec"]["selector"] == LABELS
    assert one("PodDisruptionBudget")["spec"]["selector"]["matchLabels"] == LABELS
    assert one("NetworkPolicy")["spec"]["podSelector"]["matchLabels"] == LABELS
    assert one("Service", file="streamlearner.yaml")["spec"]["selector"] != LABELS


def test_the_autoscaler_alone_says_how_many_there_are() -> None:
    assert "replicas" not in one("Deployment")["spec"]
    target = one("HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]
    assert (target["kind"], target["name"]) == ("Deployment", one("Deployment")["metadata"]["name"])
    assert pod()["containers"][0]["resources"]["requests"]["cpu"]


def test_prometheus_scrapes_the_learner_and_its_replicas() -> None:
    monitor = yaml.safe_load((DEPLOY / "podmonitor.yaml").read_text())["spec"]
    (chosen,) = monitor["selector"]["matchExpressions"]
    ((key, name),) = LABELS.items()
    assert chosen == {"key": key, "operator": "In", "values": ["streamlearner", name]}
    assert (
        volumes()["tokens"]["secret"]["secretName"]
        == (monitor["podMetricsEndpoints"][0]["authorization"]["credentials"]["name"])
    )
