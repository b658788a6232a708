"""What the answers about the past look like, for the OpenAPI description."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from streamlearner.serving.answer_models import AnswerModel, Label, Share


class MarkDocument(AnswerModel):
    at_s: float = Field(description="seconds since 1970")
    kind: str = Field(
        description="started, sleep, transplant, rollback, accuracy_fell or labels_changed; more may come"
    )


class HistoryDocument(AnswerModel):
    as_of_s: float
    first_s: float | None = Field(description="when the oldest sample began; null: there is none")
    since_s: float
    until_s: float
    step_s: int = Field(description="between two times; older samples may lie further apart")
    times: list[float] = Field(description="when each step began, in seconds since 1970")
    series: dict[str, list[float | None]] = Field(description="by name, a value for each of the times")
    marks: list[MarkDocument]
    stored_bits: int
    budget_bits: int
    failing: str | None = Field(description="why the disk takes no more; null: it does")


class ExamExample(AnswerModel):
    label: Label
    answer: Label
    right: bool
    probability: float = Field(description="of the answer")
    period: int = Field(description="sleeps before it was withheld")
    input: dict[str, Any] = Field(description="as predict takes it; behind an eye its features")


class ExamDocument(AnswerModel):
    model_version: str
    examples: list[ExamExample]


class ConfusionDocument(AnswerModel):
    model_version: str
    labels: list[str]
    counts: list[list[int]] = Field(description="a row for each true class, a column for each answer")


class RejectDocument(AnswerModel):
    at_s: float
    where: str
    detail: str
    size: int | None
    beginning: str | None = Field(description="of its value; in hexadecimal where it is no text")
    headers: list[list[str]]


class RejectsDocument(AnswerModel):
    rejects: dict[str, list[RejectDocument]] = Field(description="by reason")


class Grade(AnswerModel):
    at_s: float
    network: str | None
    as_of: int | None
    overall: Share
    by_class: dict[str, Share]
    forgetting: float | None


class VersionDocument(AnswerModel):
    version: int
    kept: bool = Field(description="whether a rollback can go to it")
    answers: bool
    first: Grade | None = Field(description="what the exam said when it began to answer; null: not known")
    last: Grade | None


class VersionsDocument(AnswerModel):
    versions: list[VersionDocument]
