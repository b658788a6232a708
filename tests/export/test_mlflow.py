"""MLflow: each adopted version becomes a run with metrics, and a version of a registered model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from streamlearner.app.publisher import make_publisher
from streamlearner.config.given import load_config
from streamlearner.errors import ConfigError
from streamlearner.export.card import CARD, Card
from streamlearner.export.exported import Exported
from streamlearner.export.publisher import Publisher
from streamlearner.state.published import Published
from tests.support.exports import tiny_version

GRADES = {"overall": 0.75, "by_class": {"low": 0.5, "über/alles": 1.0}, "by_task": {}, "as_of": 40}


@dataclass(frozen=True)
class Store:
    """An MLflow store in an SQLite file: an experiment, and a model, for each test."""

    client: Any
    uri: str
    name: str = ""

    def publisher(self) -> Publisher:
        mine = {"tracking_uri": self.uri, "experiment": self.name, "model": self.name}
        made = make_publisher(
            load_config({"export": {"formats": ["torch"], "publisher": "mlflow", "mlflow": mine}}).export
        )
        assert made is not None
        return made

    def versions(self) -> list[Any]:
        return list(self.client.search_model_versions(f"name = '{self.name}'"))


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Store:
    from mlflow import MlflowClient

    uri = f"sqlite:///{tmp_path_factory.mktemp('mlflow') / 'mlflow.db'}"
    return Store(MlflowClient(uri, uri), uri)


@pytest.fixture
def store(shared: Store, tmp_path: Path, request: pytest.FixtureRequest) -> Store:
    name = request.node.name
    shared.client.create_experiment(name, artifact_location=str(tmp_path / "artifacts"))
    return replace(shared, name=name)


@pytest.fixture(scope="module")
def made() -> Exported:
    return tiny_version(1)


@pytest.fixture
def written(made: Exported, tmp_path: Path) -> tuple[Path, Card]:
    card = replace(made.card, grades=GRADES)
    path = Published(tmp_path / "versions").add(1, {**made.files, CARD: card.to_bytes()})
    return path, card


def test_a_version_is_registered_with_its_grades_and_files(
    store: Store, written: tuple[Path, Card], tmp_path: Path
) -> None:
    path, card = written
    store.publisher().publish(path, card)
    (version,) = store.versions()
    run = store.client.get_run(version.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.metrics == {
        "exam.overall": 0.75, "exam.class.low": 0.5, "exam.class.über_alles": 1.0,
        "examples": float(card.examples),
    }  # fmt: skip
    assert run.data.params == {"method": "any", "answers": "statistics"}
    assert version.tags["streamlearner.model_version"] == card.model_version
    held = {file.path for file in store.client.list_artifacts(version.run_id, "model")}
    assert held == {"model/model.pt2", f"model/{CARD}"}
    fetched = Path(store.client.download_artifacts(version.run_id, "model", str(tmp_path)))
    assert Card.from_bytes((fetched / CARD).read_bytes(), where="MLflow's copy") == card


def test_the_same_weights_are_registered_once_however_often_they_come(
    store: Store, written: tuple[Path, Card]
) -> None:
    for _ in range(2):
        store.publisher().publish(*written)
    assert len(store.versions()) == 1


def test_a_run_whose_files_could_not_be_sent_is_marked_as_failed(
    store: Store, written: tuple[Path, Card], tmp_path: Path
) -> None:
    with pytest.raises(OSError, match="nothing"):
        store.publisher().publish(tmp_path / "nothing", written[1])
    experiment = store.client.get_experiment_by_name(store.name)
    (run,) = store.client.search_runs([experiment.experiment_id])
    assert run.info.status == "FAILED"
    assert not store.versions()


def test_a_publisher_without_files_to_publish_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"export\.formats to name some"):
        load_config({"export.publisher": "mlflow"})
