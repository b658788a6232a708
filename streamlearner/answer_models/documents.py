"""The status documents: GET /v1/status, /v1/retention, /v1/memory."""

from __future__ import annotations

from typing import Any, Literal, NotRequired

from typing_extensions import TypedDict

from streamlearner.answer_models.shown import Share, shown


class Counts(TypedDict):
    learned: int
    withheld: int
    rejected: int
    duplicate: int
    tombstone: int
    erasure: int
    erased: int


class Sleeps(TypedDict):
    adopted: int
    refused: int


class Pace(TypedDict):
    batch_size: int
    one_in: int
    without_steps: int


class InputKind(TypedDict):
    shape: list[int]
    dtype: Literal["uint8", "float32"]


@shown(
    {
        "ready": True,
        "examples": {
            "learned": 1680,
            "withheld": 77,
            "rejected": 0,
            "duplicate": 0,
            "tombstone": 0,
            "erasure": 0,
            "erased": 0,
        },
        "messages": 1757,
        "input": {"shape": [8, 8], "dtype": "uint8"},
        "erased_ids": {"held": 0, "most": 100000},
        "rejects": {},
        "position": {"segment": 0, "offset": 1757},
        "lag": {"0": 0},
        "held_back": {},
        "connected": True,
        "gaps": 0,
        "asleep": False,
        "owed_steps": 0,
        "refused_steps": 0,
        "pace": {"batch_size": 10, "one_in": 1, "without_steps": 0},
        "sleeps": {"adopted": 2, "refused": 0},
        "last_sleep": {"outcome": "adopted", "before": 0.915, "after": 0.955, "losses": []},
        "network": "mlp",
        "transplant": None,
        "model_version": "2.1757",
        "prequential_accuracy": 0.9,
        "no_change_accuracy": 0.1,
        "served_accuracy": {"overall": 0.92, "by_class": {"4": 0.98}, "falls": 0, "last_fall": None},
        "answered": None,
        "method": "recollection_replay",
        "route": "blend",
        "doubts": {},
        "waiting_for_checkpoint": False,
        "uptime_s": 86.4,
    }
)
class StatusDocument(TypedDict):
    ready: bool
    examples: Counts
    messages: int
    input: InputKind | None
    erased_ids: dict[str, int]
    rejects: dict[str, int]
    position: Any
    lag: dict[str, int | None]
    held_back: dict[str, int]
    connected: bool
    gaps: int
    asleep: bool
    owed_steps: int
    refused_steps: int
    pace: Pace
    sleeps: Sleeps
    last_sleep: dict[str, Any] | None
    network: str | None
    transplant: dict[str, Any] | None
    model_version: str
    prequential_accuracy: Share
    no_change_accuracy: Share
    served_accuracy: dict[str, Any]
    answered: dict[str, Any] | None
    method: str
    route: str | None
    doubts: dict[str, str]
    waiting_for_checkpoint: bool
    uptime_s: float
    replica: NotRequired[dict[str, Any]]


@shown(
    {
        "overall": 0.955,
        "by_class": {"4": 1.0},
        "by_task": {},
        "by_factor": {},
        "by_period": [0.95, 0.96],
        "by_age": {"1000": 0.96, "10000": None, "100000": None, "older": None},
        "last_seen": {"4": 12},
        "as_of": 1757,
        "first_period": 0,
        "matrix": [[0.95, None], [0.94, 0.96]],
        "forgetting": 0.01,
        "backward_transfer": -0.01,
        "readout": {"overall": 0.97},
        "exam": 77,
        "contradicted": 0,
    }
)
class RetentionDocument(TypedDict):
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
    contradicted: int


@shown(
    {
        "budget_bits": 32768,
        "exam_budget_bits": 65536,
        "dream_budget_bits": 4915,
        "predictions_budget_bits": None,
        "stored_bits": {"recollections": 32640, "exam": 39424},
        "parameter_bits": {"hippocampus": 2131264},
        "recollections": 240,
        "recollections_by_class": {"4": 24},
        "units": {},
        "eye": None,
        "refused_codes": None,
        "bits_per_example": 19.4,
        "bits_per_recollection": 136.0,
        "seen": 1680,
    }
)
class MemoryDocument(TypedDict):
    budget_bits: int
    exam_budget_bits: int | None
    dream_budget_bits: int
    predictions_budget_bits: int | None
    stored_bits: dict[str, int]
    parameter_bits: dict[str, int]
    recollections: int
    recollections_by_class: dict[str, int]
    units: dict[str, int]
    eye: dict[str, Any] | None
    refused_codes: dict[str, Any] | None
    bits_per_example: float | None
    bits_per_recollection: float | None
    seen: int
