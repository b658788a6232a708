"""What the answers look like, for the OpenAPI description: clients are generated from it.

No answer is checked against these while it is served; a test checks those of a real daemon. More keys may
come, so none is forbidden.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Share = float | None
"""From 0 to 1; null while unknown."""
Label = str | int | dict[str, str | int]


class AnswerModel(BaseModel):
    model_config = ConfigDict(extra="allow", protected_namespaces=())


class Error(AnswerModel):
    error: str = Field(description="what was found, and what was expected")


class Live(AnswerModel):
    live: bool


class Ready(AnswerModel):
    ready: bool
    reasons: dict[str, str] = Field(description="why not, by check")


class Prediction(AnswerModel):
    label: Label | None
    probability: float | dict[str, float] | None = Field(
        description="of the label; where it has factors, of each"
    )
    route: str = Field(description="who answered")
    prediction_id: str
    probabilities: dict[str, Any] | None = Field(
        None, description="of every class, where they were asked for"
    )


class Predictions(AnswerModel):
    predictions: list[Prediction]
    model_version: str
    prediction_id: str


class Accepted(AnswerModel):
    accepted: int = Field(ge=0, description="examples that are durable now")
    duplicates: int = Field(ge=0, description="those whose id was known")
    position: Any = Field(description="where the log ends")


class Labelled(AnswerModel):
    outcome: Literal["accepted", "duplicate"]
    prediction_id: str


class Erased(AnswerModel):
    by: str | None
    removed: dict[str, Any] | None = Field(description="null: not carried out yet")
    waiting: int = Field(description="inputs that were removed before they were learned")
    checkpoints_renewed: bool = Field(description="whether nothing of ours on the disk holds it any more")


class Requested(AnswerModel):
    requested: Literal["sleep", "checkpoint", "rollback", "transplant", "retrain"]
    version: str | int | None = Field(None, description="of a rollback: where to")
    number: int | None = Field(None, description="of a transplant, as status shows it")
    to: str | None = Field(None, description="of a transplant: the network")
    steps: int | None = Field(None, description="of a transplant")


class Counts(AnswerModel):
    learned: int
    withheld: int
    rejected: int
    duplicate: int
    tombstone: int


class Sleeps(AnswerModel):
    adopted: int
    refused: int


class StatusDocument(AnswerModel):
    ready: bool
    examples: Counts
    messages: int
    rejects: dict[str, int]
    position: Any
    lag: dict[str, int | None]
    held_back: dict[str, int]
    connected: bool
    gaps: int
    asleep: bool
    owed_steps: int
    refused_steps: int
    sleeps: Sleeps
    last_sleep: dict[str, Any] | None
    network: str | None
    transplant: dict[str, Any] | None
    model_version: str
    prequential_accuracy: Share
    served_accuracy: dict[str, Any]
    method: str
    route: str | None
    doubts: dict[str, str]
    waiting_for_checkpoint: bool
    uptime_s: float


class RetentionDocument(AnswerModel):
    overall: Share
    by_class: dict[str, Share]
    by_task: dict[str, Share]
    by_factor: dict[str, Share]
    by_period: list[Share]
    by_age: dict[str, Share]
    last_seen: dict[str, int]
    as_of: int | None
    first_period: int
    matrix: list[list[Share]]
    forgetting: float | None
    backward_transfer: float | None
    readout: dict[str, Share]
    exam: int


class MemoryDocument(AnswerModel):
    budget_bits: int
    exam_budget_bits: int | None
    stored_bits: dict[str, int]
    parameter_bits: dict[str, int]
    recollections: int
    recollections_by_class: dict[str, int]
    units: dict[str, int]
    bits_per_example: float | None
    bits_per_recollection: float | None
    seen: int


class OfClass(AnswerModel):
    label: Label
    inputs: list[Any] = Field(description="as predict takes them: base64, or nested lists")


class RecollectionsDocument(AnswerModel):
    recollections: list[OfClass]


class ServerMetadata(AnswerModel):
    name: str
    version: str
    extensions: list[str]


class TensorMetadata(AnswerModel):
    name: str
    datatype: str
    shape: list[int]


class ModelMetadata(AnswerModel):
    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


class ProtocolReady(AnswerModel):
    ready: bool


class OutputTensor(AnswerModel):
    name: str
    datatype: str
    shape: list[int]
    data: list[Any] | None = Field(None, description="absent where raw bytes were asked for")


class Inferred(AnswerModel):
    model_name: str
    model_version: str
    id: str | None = None
    outputs: list[OutputTensor]


class IndexEntry(AnswerModel):
    name: str
    version: str
    state: str
    reason: str
