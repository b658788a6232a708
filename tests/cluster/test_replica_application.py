"""What Ray Serve is given for a replica's process answers from the first request on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from streamlearner.app import cluster_writes
from streamlearner.app.cluster_setup import setup_of_replicas
from streamlearner.cluster import replicas
from streamlearner.cluster.store import Store
from tests.support.http_surface import DIGIT, on_a_port
from tests.support.published import published


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of a cluster whose replicas write to no broker, and look for versions no second time."""

    def nowhere(**_: Any) -> None:
        return None

    monkeypatch.setattr(cluster_writes, "KafkaAppender", nowhere)
    monkeypatch.setattr(replicas, "LOOK_EVERY_S", 3_600.0)
    path, settings = tmp_path / "cluster.yaml", {"memory": {"budget_bits": "16 KiB"}, "threads": 1}
    settings |= {"source": {"type": "kafka", "kafka": {"topic": "examples"}}}
    path.write_text(yaml.safe_dump(settings | {"cluster": {"store": str(tmp_path / "store")}}))
    return path


def test_a_replica_that_is_made_anew_has_the_newest_version_before_its_first_request(
    config: Path, tmp_path: Path
) -> None:
    published(Store(tmp_path / "store"))
    with on_a_port(replicas.replica_application(setup_of_replicas(config))) as client:
        answer = client.post("/v1/predict", json={"inputs": [DIGIT]})
    assert answer.status_code == 200, answer.text


def test_before_the_first_version_a_replica_is_there_and_says_that_it_is_not_ready(config: Path) -> None:
    with on_a_port(replicas.replica_application(setup_of_replicas(config))) as client:
        assert client.get("/livez").status_code == 200
        assert client.post("/v1/predict", json={"inputs": [DIGIT]}).status_code == 503
