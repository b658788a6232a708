"""What GET /v1/questions answers, for the OpenAPI description."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from streamlearner.answer_models.shown import Label, shown


class PresentAnswer(TypedDict):
    label: Label | None
    probability: float | dict[str, float] | None
    route: str
    probabilities: Annotated[
        dict[str, Any],
        Field(description="of the most probable classes, 20 at most; where labels have factors, by factor"),
    ]


class AnsweredThen(TypedDict):
    label: Annotated[Any, Field(description="what whoever sent the input was answered")]
    model_version: str


class Question(TypedDict):
    prediction_id: Annotated[str, Field(description="for POST /v1/labels")]
    input: Annotated[Any, Field(description="as predict takes it: an image, values, or raw base64")]
    task: str | None
    answer: Annotated[PresentAnswer, Field(description="of the model that answers now")]
    answered: AnsweredThen
    score: Annotated[float, Field(description="(uncertainty + 0.3 novelty) diversity")]
    uncertainty: Annotated[
        float, Field(ge=0, le=1, description="1 minus the lead over the second most probable class")
    ]
    novelty: Annotated[
        float | None, Field(description="from 0 to 1: how far from all that is remembered; null: unknown")
    ]
    diversity: Annotated[float, Field(ge=0, le=1, description="how unlike the questions before it")]
    kept_s: Annotated[float, Field(description="when it was predicted, in seconds since the epoch")]
    expires_s: Annotated[
        float, Field(description="when it is let go at the latest, in seconds since the epoch")
    ]


@shown(
    {
        "questions": [],
        "waiting": 0,
        "considered": 0,
        "model_version": "2.1757",
        "classes": ["cat", "dog"],
    }
)
class QuestionsDocument(TypedDict):
    questions: list[Question]
    waiting: Annotated[int, Field(ge=0, description="predictions that wait for a label")]
    considered: Annotated[int, Field(ge=0, description="those among them that were compared")]
    model_version: str
    classes: Annotated[list[Label], Field(description="that are known, 1,000 at most")]


class JoinedEach(TypedDict):
    outcome: Literal[
        "accepted", "sent_on", "duplicate", "ignored", "conflict", "unknown", "expired", "invalid"
    ]
    prediction_id: NotRequired[str | None]
    reason: NotRequired[Annotated[str | None, Field(description="why it is no label of that prediction")]]


@shown({"outcome": "accepted", "prediction_id": "6b1f0c9d2a7e-17"})
class Joined(TypedDict):
    outcome: Literal["accepted", "sent_on", "duplicate", "ignored", "several"]
    each: NotRequired[
        Annotated[list[JoinedEach], Field(description="of several annotations, in their order")]
    ]
    prediction_id: NotRequired[Annotated[str | None, Field(description="absent where the event was ignored")]]
    reason: NotRequired[Annotated[str | None, Field(description="why it was ignored")]]


class Choices(TypedDict):
    choices: list[str]


class Preannotation(TypedDict):
    from_name: Literal["label"]
    to_name: Literal["image"]
    type: Literal["choices"]
    value: Choices


class Predicted(TypedDict):
    model_version: str
    score: float | None
    result: list[Preannotation]


class LabelStudioTask(TypedDict):
    data: Annotated[dict[str, Any], Field(description="image, as a data URL; prediction_id; answer; score")]
    predictions: list[Predicted]
