"""The requests that a daemon answers, each as both clients send it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, NotRequired, TypeVar
from urllib.parse import quote

import httpx
from typing_extensions import TypedDict

from streamlearner import answer_models as models
from streamlearner.client.inputs import as_input
from streamlearner.client.rows import ROWS_MEDIA, as_rows

Answer = TypeVar("Answer")
Label = str | int | Mapping[str, str | int]
"""A class; of several factors, the class of each."""


class Example(TypedDict):
    """A labelled example. `input` as in `as_input`; an `id` that was accepted before is a duplicate and
    learned once."""

    input: Any
    label: Label
    task: NotRequired[str | int | None]
    id: NotRequired[str | int | None]


@dataclass(frozen=True, slots=True)
class Call(Generic[Answer]):
    """One request and how its answer is read. `repeatable`: sent twice it does no more than once. `also` are
    statuses that are no success and yet an answer. A body of another `media` than JSON is bytes."""

    method: str
    path: str
    read: Callable[[httpx.Response], Answer]
    params: Mapping[str, str | int] = field(default_factory=dict)
    body: Any = None
    repeatable: bool = False
    also: tuple[int, ...] = ()
    media: str = "application/json"


def _json(answer: httpx.Response) -> Any:
    return answer.json()


def _text(answer: httpx.Response) -> str:
    return answer.text


def _bytes(answer: httpx.Response) -> bytes:
    return answer.content


def _text_of(label: Label) -> str:
    return json.dumps(dict(label)) if isinstance(label, Mapping) else str(label)


def _of_class(label: Label | None) -> dict[str, str | int]:
    """Of a class of a factor, its JSON."""
    return {} if label is None else {"label": _text_of(label)}


def post(path: str, body: Any, *, repeatable: bool = False) -> Call[Any]:
    """The JSON that answers a body."""
    return Call("POST", path, _json, body=body, repeatable=repeatable)


def predict(
    inputs: Sequence[Any], *, task: str | int | None, probabilities: bool
) -> Call[models.Predictions]:
    body: dict[str, Any] = {"inputs": [as_input(value) for value in inputs]}
    if task is not None:
        body["task"] = task
    if probabilities:
        body["return"] = ["probabilities"]
    return post("/v1/predict", body, repeatable=True)


def push(examples: Sequence[Example], *, repeatable: bool | None) -> Call[models.Accepted]:
    if repeatable is None:
        repeatable = all(example.get("id") is not None for example in examples)
    sent = [{**example, "input": as_input(example["input"])} for example in examples]
    return post("/v1/examples", {"examples": sent}, repeatable=repeatable)


def push_rows(
    inputs: Any,
    labels: Sequence[Label],
    *,
    tasks: Sequence[str | int | None] | None,
    ids: Sequence[str | int | None] | None,
    repeatable: bool | None,
) -> Call[models.Accepted]:
    if repeatable is None:
        repeatable = ids is not None and None not in ids
    body = as_rows(inputs, labels, tasks=tasks, ids=ids)
    return Call("POST", "/v1/examples", _json, body=body, repeatable=repeatable, media=ROWS_MEDIA)


def label(prediction_id: str, label: Label) -> Call[models.Labelled]:
    return post("/v1/labels", {"prediction_id": prediction_id, "label": label}, repeatable=True)


def rollback(version: str | int | None) -> Call[models.Requested]:
    return post("/v1/rollback", {} if version is None else {"version": version})


def teach(path: str, *, to: str | None = None, steps: int | None = None) -> Call[models.Requested]:
    given: dict[str, Any] = {"to": to, "steps": steps}
    return post(path, {name: value for name, value in given.items() if value is not None})


def erase(id: str | int, *, source: str | None, input: Any, label: Label | None) -> Call[models.Erased]:
    params: dict[str, str | int] = {} if source is None else {"source": source}
    body = None if input is None else {"input": as_input(input), "label": label}
    path = f"/v1/examples/{quote(str(id), safe='')}"
    return Call("DELETE", path, _json, params=params, body=body, repeatable=True)


def erase_all(*, label: Label | None = None, task: str | int | None = None) -> Call[models.Erased]:
    """Not repeatable: what came meanwhile would go, too."""
    given = {"label": None if label is None else _text_of(label), "task": None if task is None else str(task)}
    params: dict[str, str | int] = {name: value for name, value in given.items() if value is not None}
    return Call("DELETE", "/v1/examples", _json, params=params)


def recollections_picture(per_class: int, *, label: Label | None) -> Call[bytes]:
    params: dict[str, str | int] = {"format": "png", "per_class": per_class, **_of_class(label)}
    return Call("GET", "/v1/recollections", _bytes, params=params, repeatable=True)


def ready(exclude: Sequence[str]) -> Call[models.Ready]:
    path = "/readyz" + ("?" + "&".join(f"exclude={quote(name)}" for name in exclude) if exclude else "")
    return Call("GET", path, _readiness, also=(503,), repeatable=True)


def _readiness(answer: httpx.Response) -> models.Ready:
    found = answer.json()
    return {"ready": found["ready"], "reasons": found["reasons"]}


def recollections(per_class: int, *, label: Label | None, form: str) -> Call[models.RecollectionsDocument]:
    params: dict[str, str | int] = {"format": form, "per_class": per_class, **_of_class(label)}
    return Call("GET", "/v1/recollections", _json, params=params, repeatable=True)


def questions(count: int) -> Call[models.QuestionsDocument]:
    return Call("GET", "/v1/questions", _json, params={"n": count}, repeatable=True)


def exam(count: int, *, label: Label | None) -> Call[models.ExamDocument]:
    params: dict[str, str | int] = {"most": count, **_of_class(label)}
    return Call("GET", "/v1/exam", _json, params=params, repeatable=True)


def history(last_s: float, *, series: Sequence[str]) -> Call[models.HistoryDocument]:
    params: dict[str, str | int] = {"last_s": str(last_s)}
    if series:
        params["series"] = ",".join(series)
    return Call("GET", "/v1/history", _json, params=params, repeatable=True)


STATUS: Call[models.StatusDocument] = Call("GET", "/v1/status", _json, repeatable=True)
RETENTION: Call[models.RetentionDocument] = Call("GET", "/v1/retention", _json, repeatable=True)
MEMORY: Call[models.MemoryDocument] = Call("GET", "/v1/memory", _json, repeatable=True)
CONFUSION: Call[models.ConfusionDocument] = Call("GET", "/v1/confusion", _json, repeatable=True)
REJECTS: Call[models.RejectsDocument] = Call("GET", "/v1/rejects", _json, repeatable=True)
VERSIONS: Call[models.VersionsDocument] = Call("GET", "/v1/versions", _json, repeatable=True)
LIVE: Call[models.Live] = Call("GET", "/livez", _json, repeatable=True)
METRICS: Call[str] = Call("GET", "/metrics", _text, repeatable=True)
