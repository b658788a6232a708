"""MLflow: a run with metrics, and a version of a registered model, for each adopted version."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, Self

from streamlearner.errors import ConfigError
from streamlearner.export.card import CARD, Card
from streamlearner.export.publisher import Publisher
from streamlearner.registry.publishers import MlflowSection

KNOWN = "RESOURCE_ALREADY_EXISTS"
ARTIFACTS = "model"


class MlflowPublisher(Publisher):
    """The files of a version become artifacts of a run, in the folder `model`, and the run's model a version
    of a registered model, whose tags name ours."""

    def __init__(self, settings: MlflowSection, client: Any) -> None:
        self._settings = settings
        self._client = client

    @classmethod
    def build(cls, settings: MlflowSection) -> Self:
        try:
            from mlflow import MlflowClient
        except ModuleNotFoundError as error:
            raise ConfigError(
                f"export.publisher: mlflow needs {error.name}: pip install 'streamlearner[mlflow]'"
            ) from error
        return cls(settings, MlflowClient(settings.tracking_uri, settings.tracking_uri))

    def publish(self, folder: Path, card: Card) -> None:
        client, model = self._client, self._settings.model
        self._ensure_model(model)
        if self._published(card):
            return
        run = client.create_run(
            self._experiment(), run_name=f"version {card.model_version}", tags=_tags(card)
        )
        run_id = run.info.run_id
        try:
            for name, value in _metrics(card).items():
                client.log_metric(run_id, name, value, step=card.version)
            for name, text in {"method": card.method, "answers": card.answers}.items():
                client.log_param(run_id, name, text)
            for name in (
                CARD,
                *card.files,
            ):  # `log_artifacts` sends nothing of a folder that is gone, silently
                client.log_artifact(run_id, str(folder / name), ARTIFACTS)
            source = f"{run.info.artifact_uri}/{ARTIFACTS}"
            client.create_model_version(model, source, run_id=run_id, tags=_tags(card))
        except BaseException:
            client.set_terminated(run_id, "FAILED")
            raise
        client.set_terminated(run_id)

    def _experiment(self) -> str:
        name = self._settings.experiment
        if (found := self._client.get_experiment_by_name(name)) is not None:
            return str(found.experiment_id)
        return str(self._client.create_experiment(name))

    def _ensure_model(self, name: str) -> None:
        from mlflow.exceptions import MlflowException

        try:
            self._client.create_registered_model(name)
        except MlflowException as error:
            if error.error_code != KNOWN:
                raise

    def _published(self, card: Card) -> bool:
        """Whether a version of these very weights is there, as one whose export was cut off may be."""
        found = self._client.search_model_versions(f"name = '{self._settings.model}'")
        seal = _tags(card)["streamlearner.digest"]
        return any(version.tags.get("streamlearner.digest") == seal for version in found)


def _tags(card: Card) -> dict[str, str]:
    return {
        "streamlearner.model_version": card.model_version,
        "streamlearner.digest": card.digest,
        "streamlearner.classes": json.dumps(card.classes, ensure_ascii=False)[:4_000],
    }


def _metrics(card: Card) -> dict[str, float]:
    """Names as MLflow allows them: letters, digits and `_-. :/`."""
    grades = card.grades
    found: dict[str, float | None] = {"exam.overall": grades.get("overall"), "examples": float(card.examples)}
    for label, value in (grades.get("by_class") or {}).items():
        allowed = "".join(c if c.isalnum() or c in "_-. " else "_" for c in str(label))
        found[f"exam.class.{allowed}"] = value
    return {name: float(value) for name, value in found.items() if value is not None and math.isfinite(value)}
