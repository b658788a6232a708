"""Answers of the routes that predict, teach and operate, and what every error looks like."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from streamlearner.answer_models.shown import Label, shown


@shown(
    {
        "type": "urn:streamlearner:problem:invalid-input",
        "title": "What was sent is not valid",
        "status": 400,
        "detail": '"inputs" is missing; expected inputs, task?, return?',
        "error": '"inputs" is missing; expected inputs, task?, return?',
        "reason": "json",
    }
)
class ProblemDocument(TypedDict):
    """RFC 9457, and `error` beside it."""

    type: Annotated[str, Field(description="which kind of problem", json_schema_extra={"format": "uri"})]
    title: Annotated[str, Field(description="the kind in words, always the same")]
    status: Annotated[int, Field(ge=400, le=599, description="that of the answer")]
    detail: Annotated[str, Field(description="what was found, and what was expected")]
    error: Annotated[str, Field(description="the same as detail")]
    instance: NotRequired[Annotated[str, Field(description="what the daemon's log calls this very one")]]
    reason: NotRequired[Annotated[str, Field(description="of invalid input: as of a rejected message")]]


@shown({"live": True})
class Live(TypedDict):
    live: bool


@shown({"ready": True, "reasons": {}})
class Ready(TypedDict):
    ready: bool
    reasons: Annotated[dict[str, str], Field(description="why not, by check")]


@shown({"label": 4, "probability": 0.98, "route": "blend", "prediction_id": "6b1f0c9d2a7e-17"})
class Prediction(TypedDict):
    label: Label | None
    probability: Annotated[
        float | dict[str, float] | None, Field(description="of the label; where it has factors, of each")
    ]
    route: Annotated[str, Field(description="who answered")]
    prediction_id: str
    probabilities: NotRequired[
        Annotated[dict[str, Any] | None, Field(description="of every class, where they were asked for")]
    ]


@shown(
    {
        "predictions": [
            {"label": 4, "probability": 0.98, "route": "blend", "prediction_id": "6b1f0c9d2a7e-17"}
        ],
        "model_version": "2.1757",
        "prediction_id": "6b1f0c9d2a7e-17",
    }
)
class Predictions(TypedDict):
    predictions: list[Prediction]
    model_version: str
    prediction_id: str


@shown({"accepted": 2, "duplicates": 0, "position": {"segment": 0, "offset": 2}})
class Accepted(TypedDict):
    accepted: Annotated[int, Field(ge=0, description="examples that are durable now")]
    duplicates: Annotated[int, Field(ge=0, description="those whose id was known")]
    position: Annotated[Any, Field(description="where the log ends")]


@shown({"outcome": "accepted", "prediction_id": "6b1f0c9d2a7e-17"})
class Labelled(TypedDict):
    outcome: Literal["accepted", "sent_on", "duplicate"]
    prediction_id: str


@shown({"by": "id", "known": None, "removed": None, "waiting": 1, "checkpoints_renewed": False})
class Erased(TypedDict):
    by: str | None
    known: Annotated[
        bool | None,
        Field(
            description="whether anything of it was there; null: not carried out yet. Of an id longer "
            "ago than `codec.remembered_ids` only what was removed tells"
        ),
    ]
    removed: Annotated[dict[str, Any] | None, Field(description="null: not carried out yet")]
    waiting: Annotated[int, Field(description="inputs that were removed before they were learned")]
    checkpoints_renewed: Annotated[
        bool, Field(description="whether nothing of ours on the disk holds it any more")
    ]
    kept_versions: NotRequired[
        Annotated[list[int], Field(description="model versions that learned from it, perhaps")]
    ]


@shown({"requested": "rollback", "version": 3})
class Requested(TypedDict):
    requested: Literal["sleep", "checkpoint", "rollback", "transplant", "retrain"]
    version: NotRequired[Annotated[str | int | None, Field(description="of a rollback: where to")]]
    number: NotRequired[Annotated[int, Field(description="of a transplant, as status shows it")]]
    to: NotRequired[Annotated[str, Field(description="of a transplant: the network")]]
    steps: NotRequired[Annotated[int, Field(description="of a transplant")]]


class OfClass(TypedDict):
    label: Label
    inputs: Annotated[list[Any], Field(description="as predict takes them: base64, or nested lists")]


@shown({"recollections": [{"label": 4, "inputs": [{"b64": "AAD//w==", "shape": [2, 2], "dtype": "uint8"}]}]})
class RecollectionsDocument(TypedDict):
    recollections: list[OfClass]
