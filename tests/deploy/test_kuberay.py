"""The manifests for KubeRay hold together, and are valid by the schemas that it publishes."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from streamlearner.app.cluster_setup import replicas_of
from streamlearner.config.loading import load
from tests.support.daemon_process import free_port

FOLDER = Path(__file__).resolve().parents[2] / "deploy" / "kuberay"
MANIFEST, REPLICAS = FOLDER / "cluster.yaml", FOLDER / "replicas.yaml"
SCHEMAS = Path(__file__).parent / "kuberay_schemas"
CLUSTERS = {"RayJob": "rayClusterSpec", "RayService": "rayClusterConfig"}


def one(kind: str) -> dict[str, Any]:
    found = [
        each
        for path in (MANIFEST, REPLICAS)
        for each in yaml.safe_load_all(path.read_text())
        if each["kind"] == kind
    ]
    assert len(found) == 1 and isinstance(found[0], dict)
    return found[0]


def templates(kind: str) -> list[dict[str, Any]]:
    """The head's is the first."""
    cluster = one(kind)["spec"][CLUSTERS[kind]]
    return [group["template"] for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"])]


def pods(kind: str) -> list[dict[str, Any]]:
    return [template["spec"] for template in templates(kind)]


@pytest.mark.parametrize("kind", CLUSTERS)
def test_each_of_its_own_kinds_is_valid_by_the_schema_that_it_publishes(kind: str) -> None:
    schema = json.loads((SCHEMAS / f"{kind.lower()}.json").read_text())
    assert schema["description"].startswith("KubeRay 1.7.0")
    jsonschema.Draft202012Validator(schema).validate(one(kind))
    misspelt = one(kind) | {"spec": one(kind)["spec"] | {"entrypiont": ""}}
    with pytest.raises(jsonschema.ValidationError, match="entrypiont"):
        jsonschema.Draft202012Validator(schema).validate(misspelt)


@pytest.mark.parametrize("kind", ["ConfigMap", "PersistentVolumeClaim", "Service"])
def test_each_is_valid_by_the_published_schemas(kind: str) -> None:
    kubernetes_validate = pytest.importorskip(
        "kubernetes_validate", reason="kubernetes-validate is not installed"
    )
    kubernetes_validate.validate(one(kind), "1.37", strict=True)


@pytest.mark.parametrize("kind", CLUSTERS)
def test_each_pod_is_valid_by_the_published_schemas(kind: str) -> None:
    kubernetes_validate = pytest.importorskip(
        "kubernetes_validate", reason="kubernetes-validate is not installed"
    )
    for spec in pods(kind):
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "one"}, "spec": spec}
        kubernetes_validate.validate(pod, "1.37", strict=True)


@pytest.fixture
def given(tmp_path: Path) -> Path:
    """The configuration as the pods see it."""
    for role in ("predict", "teach", "read", "operate"):
        (tmp_path / role).write_text("a token of thirty-two characters\n")
    path = tmp_path / "config.yaml"
    text = next(iter(one("ConfigMap")["data"].values()))
    path.write_text(text.replace("/run/secrets/streamlearner", str(tmp_path)))
    return path


@pytest.mark.parametrize("kind", CLUSTERS)
def test_every_process_finds_its_configuration_and_the_store(kind: str, given: Path) -> None:
    (path,) = one("ConfigMap")["data"]
    config = load(path=given, settings={}, environ={})
    for pod in pods(kind):
        (container,) = pod["containers"]
        mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
        assert str(config.cluster.store).startswith(mounts["store"])
        spec = one(kind)["spec"]
        assert f"{mounts['config']}/{path}" in spec.get("entrypoint", spec.get("serveConfigV2"))
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        claimed = volumes["store"]["persistentVolumeClaim"]["claimName"]
        assert claimed == one("PersistentVolumeClaim")["metadata"]["name"]
        assert pod["securityContext"]["runAsNonRoot"]
    assert one("Service")["spec"]["ports"][0]["targetPort"] == config.serving.port


@pytest.mark.parametrize("kind", CLUSTERS)
def test_each_pod_is_probed_with_what_its_image_has(kind: str) -> None:
    """KubeRay's own probe of a RayService's workers is by wget, which the image has not."""
    for pod in pods(kind):
        (container,) = pod["containers"]
        assert container["livenessProbe"]["httpGet"]["path"] == "/api/healthz", "of Ray's agent, since 2.53"
        ready = container["readinessProbe"]
        if "exec" in ready:
            python, flag, program = ready["exec"]["command"]
            assert (python, flag) == ("python", "-c") and compile(program, "probe", "exec")
            for url in re.findall(r"http://\S+?(?=\")", program):
                program = program.replace(url, f"http://localhost:{free_port()}/")
            assert subprocess.run([sys.executable, flag, program], capture_output=True).returncode
        else:
            assert ready["httpGet"] == container["livenessProbe"]["httpGet"]


def test_requests_come_to_a_pod_only_where_a_proxy_of_ray_serve_is() -> None:
    """The head of the job has one always; a worker of the service is ready once it has one."""
    wanted = one("Service")["spec"]["selector"].items()
    job, service = ([each.get("metadata", {}).get("labels", {}) for each in templates(k)] for k in CLUSTERS)
    assert [wanted <= labels.items() for labels in job] == [True, False]
    assert not any(wanted <= labels.items() for labels in service), "those have a service of their own"
    (worker,) = pods("RayService")[1]["containers"]
    assert ":8000/-/healthz" in worker["readinessProbe"]["exec"]["command"][-1]


def test_the_workers_have_cores_for_all_processes(given: Path) -> None:
    cluster = load(path=given, settings={}, environ={}).cluster
    wanted = cluster.learners * cluster.learner_cpus + cluster.consolidator_cpus
    wanted += replicas_of(cluster).most * cluster.replica_cpus
    (group,) = one("RayJob")["spec"]["rayClusterSpec"]["workerGroupSpecs"]
    cores = float(group["template"]["spec"]["containers"][0]["resources"]["limits"]["cpu"])
    assert group["replicas"] * cores >= wanted


def served() -> dict[str, Any]:
    found = yaml.safe_load(one("RayService")["spec"]["serveConfigV2"])
    assert isinstance(found, dict)
    return found


def test_the_replicas_are_what_ray_serve_imports(given: Path) -> None:
    (application,) = served()["applications"]
    module, _, name = application["import_path"].partition(":")
    assert callable(getattr(import_module(module), name))
    assert served()["http_options"]["port"] == load(path=given, settings={}, environ={}).serving.port
    (deployment,) = application["deployments"]
    bounds = deployment["autoscaling_config"]
    assert 1 < bounds["min_replicas"] < bounds["max_replicas"]


def test_the_most_replicas_have_cores_on_the_most_workers() -> None:
    ((deployment,),) = [each["deployments"] for each in served()["applications"]]
    (group,) = one("RayService")["spec"]["rayClusterConfig"]["workerGroupSpecs"]
    cores = float(group["template"]["spec"]["containers"][0]["resources"]["limits"]["cpu"])
    wanted = deployment["autoscaling_config"]["max_replicas"] * deployment["ray_actor_options"]["num_cpus"]
    assert group["maxReplicas"] * cores >= wanted


def test_ray_serve_takes_the_description_of_the_replicas() -> None:
    schema = pytest.importorskip("ray.serve.schema", reason="ray is not installed (the extra `cluster`)")
    schema.ServeDeploySchema.model_validate(served())
