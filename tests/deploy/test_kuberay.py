"""The manifests for KubeRay hold together. (Its own schema of RayJob is in no package: tried by hand.)"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from streamlearner.app.cluster_setup import replicas_of
from streamlearner.config.loading import load

MANIFEST = Path(__file__).resolve().parents[2] / "deploy" / "kuberay" / "cluster.yaml"


def one(kind: str) -> dict[str, Any]:
    (found,) = [each for each in yaml.safe_load_all(MANIFEST.read_text()) if each["kind"] == kind]
    assert isinstance(found, dict)
    return found


def pods() -> list[dict[str, Any]]:
    cluster = one("RayJob")["spec"]["rayClusterSpec"]
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    return [group["template"]["spec"] for group in groups]


@pytest.mark.parametrize("kind", ["ConfigMap", "PersistentVolumeClaim", "Service"])
def test_each_is_valid_by_the_published_schemas(kind: str) -> None:
    kubernetes_validate = pytest.importorskip(
        "kubernetes_validate", reason="kubernetes-validate is not installed"
    )
    kubernetes_validate.validate(one(kind), "1.37", strict=True)


@pytest.fixture
def given(tmp_path: Path) -> Path:
    """The configuration as the pods see it."""
    for role in ("predict", "teach", "read", "operate"):
        (tmp_path / role).write_text("a token of thirty-two characters\n")
    path = tmp_path / "config.yaml"
    text = next(iter(one("ConfigMap")["data"].values()))
    path.write_text(text.replace("/run/secrets/streamlearner", str(tmp_path)))
    return path


def test_every_process_finds_its_configuration_and_the_store(given: Path) -> None:
    (path,) = one("ConfigMap")["data"]
    config = load(path=given, settings={}, environ={})
    for pod in pods():
        (container,) = pod["containers"]
        mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
        assert str(config.cluster.store).startswith(mounts["store"])
        assert f"{mounts['config']}/{path}" in one("RayJob")["spec"]["entrypoint"]
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        claimed = volumes["store"]["persistentVolumeClaim"]["claimName"]
        assert claimed == one("PersistentVolumeClaim")["metadata"]["name"]
        assert pod["securityContext"]["runAsNonRoot"]
    assert one("Service")["spec"]["ports"][0]["targetPort"] == config.serving.port


def test_the_workers_have_cores_for_all_processes(given: Path) -> None:
    cluster = load(path=given, settings={}, environ={}).cluster
    wanted = cluster.learners * cluster.learner_cpus + cluster.consolidator_cpus
    wanted += replicas_of(cluster).most * cluster.replica_cpus
    (group,) = one("RayJob")["spec"]["rayClusterSpec"]["workerGroupSpecs"]
    cores = float(group["template"]["spec"]["containers"][0]["resources"]["limits"]["cpu"])
    assert group["replicas"] * cores >= wanted
