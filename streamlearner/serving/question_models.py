"""What GET /v1/questions answers, for the OpenAPI description."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from streamlearner.serving.answer_models import AnswerModel, Label


class PresentAnswer(AnswerModel):
    label: Label | None
    probability: float | dict[str, float] | None
    route: str
    probabilities: dict[str, Any] = Field(
        description="of the most probable classes, 20 at most; where labels have factors, by factor"
    )


class AnsweredThen(AnswerModel):
    label: Any = Field(description="what whoever sent the input was answered")
    model_version: str


class Question(AnswerModel):
    prediction_id: str = Field(description="for POST /v1/labels")
    input: Any = Field(description="as predict takes it: an image, values, or raw base64")
    task: str | None
    answer: PresentAnswer = Field(description="of the model that answers now")
    answered: AnsweredThen
    score: float = Field(description="(uncertainty + 0.3 novelty) diversity")
    uncertainty: float = Field(ge=0, le=1, description="1 minus the lead over the second most probable class")
    novelty: float | None = Field(
        description="from 0 to 1: how far from all that is remembered; null: unknown"
    )
    diversity: float = Field(ge=0, le=1, description="how unlike the questions before it")
    kept_s: float = Field(description="when it was predicted, in seconds since the epoch")
    expires_s: float = Field(description="when it is let go at the latest, in seconds since the epoch")


class QuestionsDocument(AnswerModel):
    questions: list[Question]
    waiting: int = Field(ge=0, description="predictions that wait for a label")
    considered: int = Field(ge=0, description="those among them that were compared")
    model_version: str
    classes: list[Label] = Field(description="that are known, 1,000 at most")


class Joined(AnswerModel):
    outcome: Literal["accepted", "duplicate", "ignored"]
    prediction_id: str | None = Field(None, description="absent where the event was ignored")
    reason: str | None = Field(None, description="why it was ignored")


class Choices(AnswerModel):
    choices: list[str]


class Preannotation(AnswerModel):
    from_name: Literal["label"]
    to_name: Literal["image"]
    type: Literal["choices"]
    value: Choices


class Predicted(AnswerModel):
    model_version: str
    score: float | None
    result: list[Preannotation]


class LabelStudioTask(AnswerModel):
    data: dict[str, Any] = Field(description="image, as a data URL; prediction_id; answer; score")
    predictions: list[Predicted]
