"""MLflow: each adopted version becomes a run with metrics, and a version of a registered model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from streamlearner.app.publisher import make_publisher
from streamlearner.config.given import load_config
from streamlearner.errors import ConfigError
from streamlearner.export.card import CARD, Card
from streamlearner.state.published import Published
from tests.support.exports import tiny_version

GRADES = {"overall": 0.75, "by_class": {"low": 0.5, "über/alles": 1.0}, "by_task": {}, "as_of": 40}


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A client of a store in an SQLite file, with its artifacts in `tmp_path`."""
    monkeypatch.chdir(tmp_path)
    from mlflow import MlflowClient

    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    client = MlflowClient(uri, uri)
    client.create_experiment("digits", artifact_location=str(tmp_path / "artifacts"))
    return client


def settings(tmp_path: Path) -> dict[str, Any]:
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    mine = {"tracking_uri": uri, "experiment": "digits", "model": "reader"}
    return {"export": {"formats": ["torch"], "publisher": "mlflow", "mlflow": mine}}


def written(folder: Path) -> tuple[Path, Card]:
    made = tiny_version(1)
    card = replace(made.card, grades=GRADES)
    path = Published(folder).add(1, {**made.files, CARD: card.to_bytes()})
    return path, card


def test_a_version_is_registered_with_its_grades_and_files(tmp_path: Path, store: Any) -> None:
    path, card = written(tmp_path / "versions")
    publisher = make_publisher(load_config(settings(tmp_path)).export)
    assert publisher is not None
    publisher.publish(path, card)
    (version,) = store.search_model_versions("name = 'reader'")
    run = store.get_run(version.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.metrics == {
        "exam.overall": 0.75, "exam.class.low": 0.5, "exam.class.über_alles": 1.0,
        "examples": float(card.examples),
    }  # fmt: skip
    assert run.data.params == {"method": "any", "answers": "statistics"}
    assert version.tags["streamlearner.model_version"] == card.model_version
    held = {file.path for file in store.list_artifacts(version.run_id, "model")}
    assert held == {"model/model.pt2", f"model/{CARD}"}
    fetched = Path(store.download_artifacts(version.run_id, "model", str(tmp_path)))
    assert Card.from_bytes((fetched / CARD).read_bytes(), where="MLflow's copy") == card


def test_the_same_weights_are_registered_once_however_often_they_come(tmp_path: Path, store: Any) -> None:
    path, card = written(tmp_path / "versions")
    publisher = make_publisher(load_config(settings(tmp_path)).export)
    assert publisher is not None
    for _ in range(2):
        publisher.publish(path, card)
    assert len(store.search_model_versions("name = 'reader'")) == 1


def test_a_run_whose_files_could_not_be_sent_is_marked_as_failed(tmp_path: Path, store: Any) -> None:
    _, card = written(tmp_path / "versions")
    publisher = make_publisher(load_config(settings(tmp_path)).export)
    assert publisher is not None
    with pytest.raises(OSError, match="nothing"):
        publisher.publish(tmp_path / "nothing", card)
    experiment = store.get_experiment_by_name("digits")
    (run,) = store.search_runs([experiment.experiment_id])
    assert run.info.status == "FAILED"
    assert not store.search_model_versions("name = 'reader'")


def test_a_publisher_without_files_to_publish_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"export\.formats to name some"):
        load_config({"export.publisher": "mlflow"})
