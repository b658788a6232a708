"""The places that exported versions are registered in: what each is called, and its own settings."""

from __future__ import annotations

from pydantic import Field

from streamlearner.registry.part import Registry
from streamlearner.registry.section import Section

PUBLISHERS = Registry("publisher", plural="publishers", contract="streamlearner.export.publisher:Publisher")


class MlflowSection(Section):
    """Of mlflow: a run with the exam's grades, and a version of a registered model, for each that is adopted.
    Credentials are taken from the environment, as MLflow takes them (MLFLOW_TRACKING_TOKEN and others)."""

    tracking_uri: str | None = Field(default=None, examples=["http://mlflow:5000"])
    """a server, sqlite:///path or a folder; null: what MLFLOW_TRACKING_URI says"""
    experiment: str = Field(default="streamlearner", min_length=1)
    """name of the experiment that runs belong to"""
    model: str = Field(default="streamlearner", min_length=1)
    """name of the registered model"""


PUBLISHERS.register(
    "mlflow",
    "streamlearner.export.mlflow:MlflowPublisher",
    "a run and a registered model version of MLflow (pip install 'streamlearner[mlflow]')",
    settings=MlflowSection,
)
