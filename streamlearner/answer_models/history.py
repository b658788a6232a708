"""What the answers about the past look like, for the OpenAPI description."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field
from typing_extensions import TypedDict

from streamlearner.answer_models.shown import Label, Share, shown


class MarkDocument(TypedDict):
    at_s: Annotated[float, Field(description="seconds since 1970")]
    kind: Annotated[
        str,
        Field(description="started, sleep, transplant, rollback, accuracy_fell, labels_changed or erased"),
    ]


@shown(
    {
        "as_of_s": 1767225600.0,
        "first_s": 1767222000.0,
        "since_s": 1767225580.0,
        "until_s": 1767225600.0,
        "step_s": 10,
        "times": [1767225580.0, 1767225590.0],
        "series": {"retention": [0.95, None]},
        "marks": [{"at_s": 1767225585.0, "kind": "sleep"}],
        "stored_bits": 131072,
        "budget_bits": 134217728,
        "failing": None,
    }
)
class HistoryDocument(TypedDict):
    as_of_s: float
    first_s: Annotated[float | None, Field(description="when the oldest sample began; null: there is none")]
    since_s: float
    until_s: float
    step_s: Annotated[int, Field(description="between two times; older samples may lie further apart")]
    times: Annotated[list[float], Field(description="when each step began, in seconds since 1970")]
    series: Annotated[
        dict[str, list[float | None]], Field(description="by name, a value for each of the times")
    ]
    marks: list[MarkDocument]
    stored_bits: int
    budget_bits: int
    failing: Annotated[str | None, Field(description="why the disk takes no more; null: it does")]


class ExamExample(TypedDict):
    label: Label
    answer: Label
    right: bool
    probability: Annotated[float, Field(description="of the answer")]
    period: Annotated[int, Field(description="sleeps before it was withheld")]
    input: Annotated[dict[str, Any], Field(description="as predict takes it; behind an eye its features")]


@shown(
    {
        "model_version": "2.1757",
        "examples": [
            {
                "label": 4,
                "answer": 4,
                "right": True,
                "probability": 0.98,
                "period": 1,
                "input": {"b64": "AAD//w==", "shape": [2, 2], "dtype": "uint8"},
            }
        ],
    }
)
class ExamDocument(TypedDict):
    model_version: str
    examples: list[ExamExample]


@shown({"model_version": "2.1757", "labels": ["4", "9"], "counts": [[17, 1], [0, 18]]})
class ConfusionDocument(TypedDict):
    model_version: str
    labels: Annotated[list[Label], Field(description="as they were sent")]
    counts: Annotated[
        list[list[int]], Field(description="a row for each true class, a column for each answer")
    ]


class RejectDocument(TypedDict):
    at_s: float
    where: str
    detail: str
    size: int | None
    beginning: Annotated[str | None, Field(description="of its value; in hexadecimal where it is no text")]
    headers: list[list[str]]


@shown(
    {
        "rejects": {
            "label": [
                {
                    "at_s": 1767225585.0,
                    "where": "examples[0] at 17",
                    "detail": "no label",
                    "size": 64,
                    "beginning": "00ff",
                    "headers": [["dtype", "uint8"]],
                }
            ]
        }
    }
)
class RejectsDocument(TypedDict):
    rejects: Annotated[dict[str, list[RejectDocument]], Field(description="by reason")]


class ExamSummary(TypedDict):
    at_s: float
    network: str | None
    as_of: int | None
    overall: Share
    by_class: dict[str, Share]
    forgetting: float | None


class VersionDocument(TypedDict):
    version: int
    kept: Annotated[bool, Field(description="whether a rollback can go to it")]
    answers: bool
    first: Annotated[
        ExamSummary | None, Field(description="what the exam said when it began to answer; null: not known")
    ]
    last: ExamSummary | None


@shown(
    {
        "versions": [
            {
                "version": 2,
                "kept": True,
                "answers": True,
                "last": None,
                "first": {
                    "at_s": 1767225585.0,
                    "network": "mlp",
                    "as_of": 1757,
                    "overall": 0.955,
                    "by_class": {"4": 1.0},
                    "forgetting": 0.01,
                },
            }
        ]
    }
)
class VersionsDocument(TypedDict):
    versions: list[VersionDocument]
