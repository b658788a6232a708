"""POST /v1/label-studio: an annotation of Label Studio, as its webhook sends it, labels a prediction.

The payload is that of `label_studio.webhooks` (1.23): `action`, and where an annotation was made, the
`annotation` with its `result`, and the `task` whose `data` is what was imported.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, ClassVar

from pydantic import ConfigDict, Field
from starlette.requests import Request

from streamlearner.decoding.labels import label_text, parse_label
from streamlearner.errors import InvalidInput
from streamlearner.serving.asking import Asked
from streamlearner.serving.bodies import Bodies, Body, parse, require_json
from streamlearner.serving.body_schemas import CLASS, JsonSchema
from streamlearner.serving.input_pictures import data_url
from streamlearner.serving.labels import KINDS, NOT_KEPT, STATUSES, Joining
from streamlearner.serving.problems import Json, Problem
from streamlearner.serving.workers import Workers
from streamlearner.stream import Factors, Label

ANNOTATED = ("ANNOTATION_CREATED", "ANNOTATION_UPDATED")
LABEL, IMAGE = "label", "image"
"""The names of the tags in the labelling configuration."""


def _object(**properties: JsonSchema) -> JsonSchema:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _schema() -> JsonSchema:
    """Of one choice, of a task that was skipped, and of actions that are none of ours."""
    task = _object(data=_object(prediction_id={"type": "string"}))
    one = {"type": "array", "minItems": 1, "maxItems": 1, "items": CLASS["anyOf"][0]}
    choice = _object(type={"const": "choices"}, from_name={"const": LABEL}, value=_object(choices=one))
    result: JsonSchema = {"type": "array", "minItems": 1, "maxItems": 1, "items": choice}
    made, skipped = {"const": False}, {"const": True}
    annotation = {"anyOf": [_object(was_cancelled=made, result=result), _object(was_cancelled=skipped)]}
    action: JsonSchema = {"enum": list(ANNOTATED)}
    labelled = _object(action=action, annotation=annotation, task=task)
    return {"anyOf": [labelled, _object(action={"type": "string", "not": action})]}


class _Part(Body):
    """More keys come with it than are read."""

    model_config = ConfigDict(extra="ignore", strict=True)


class Choices(_Part):
    choices: list[str] | None = None
    text: list[str] | str | None = None


class Region(_Part):
    """One thing that was annotated."""

    type: str
    from_name: str
    value: Choices


class Annotation(_Part):
    was_cancelled: bool = False
    result: list[Any] | None = None


class TaskData(_Part):
    prediction_id: str


class Task(_Part):
    data: TaskData


def _narrow(schema: JsonSchema) -> None:
    schema.clear()
    schema.update(_schema())


class Event(_Part):
    model_config = ConfigDict(extra="ignore", strict=True, json_schema_extra=_narrow)
    example: ClassVar = {
        "action": "ANNOTATION_CREATED",
        "annotation": {
            "was_cancelled": False,
            "result": [{"type": "choices", "from_name": LABEL, "value": {"choices": ["cat"]}}],
        },
        "task": {"data": {"prediction_id": "6b1f0c9d2a7e-17"}},
    }
    action: str
    annotation: Annotation | None = Field(None)
    task: Task | None = Field(None)


class LabelStudio:
    """The route. `joining` is None where no predictions are kept."""

    def __init__(self, *, joining: Joining | None, bodies: Bodies, workers: Workers) -> None:
        self._joining = joining
        self._bodies = bodies
        self._workers = workers

    async def label(self, request: Request) -> Json:
        """Joins the choice of an annotation to the prediction that its task is about; answers as the labels
        do. 200 with the outcome "ignored" for a task that was skipped, or an event that is no annotation."""
        require_json(request)
        body = await self._bodies.read(request)
        return await self._workers.run(lambda _: self._label(body), client=request)

    def _label(self, body: bytes) -> Json:
        event = parse(Event, body)
        if self._joining is None:
            raise Problem(409, NOT_KEPT, kind="labels-not-kept")
        if event.action not in ANNOTATED:
            return _ignored(f"{event.action[:100]} brings no label")
        if event.annotation is None or event.task is None:
            text = "has no annotation and task: let the webhook of Label Studio send its payload"
            raise InvalidInput("json", f"{event.action} {text}")
        if event.annotation.was_cancelled:
            return _ignored("the task was skipped")
        name = event.task.data.prediction_id
        label = label_of(event.annotation.result or [], factors=self._joining.factors(name))
        outcome = self._joining.join(name, label)
        if STATUSES[outcome.name] >= 400:
            raise Problem(STATUSES[outcome.name], outcome.text, kind=KINDS[outcome.name])
        content = {"outcome": outcome.name, "prediction_id": name}
        return Json(content, status_code=STATUSES[outcome.name])


def _ignored(reason: str) -> Json:
    return Json({"outcome": "ignored", "reason": reason})


def label_of(result: list[Any], *, factors: Collection[str] = ()) -> Label | Factors:
    """The class that was chosen, or written where nothing was; or, from tags named as `factors` are, or from
    several, the class of each. Raises `InvalidInput`."""
    regions = [_region(number, one) for number, one in enumerate(result)]
    chosen = _named(regions, "choices") or _named(regions, "textarea")
    if not chosen:
        raise InvalidInput("label", "the annotation has no choice; expected one, in a tag of choices")
    if len(chosen) == 1 and not chosen.keys() & set(factors):
        return parse_label(*chosen.values())
    return parse_label(chosen)


def _named(regions: list[Region], kind: str) -> dict[str, str]:
    """What was chosen or written, by the name of the tag."""
    found: dict[str, str] = {}
    for region in regions:
        if region.type == kind:
            texts = region.value.choices if kind == "choices" else region.value.text
            found[region.from_name] = _one([texts] if isinstance(texts, str) else texts or [], region)
    return found


def _region(number: int, one: Any) -> Region:
    """Raises `InvalidInput`."""
    try:
        return Region.model_validate(one)
    except ValueError:
        text = 'expected an object with "type", "from_name" and "value"'
        raise InvalidInput("label", f"annotation.result[{number}]: {text}") from None


def _one(texts: list[str], region: Region) -> str:
    if len(texts) != 1:
        text = f"annotation.result: {region.from_name[:100]} has {len(texts)} values; expected one class"
        raise InvalidInput("label", text)
    return texts[0]


def task_of(one: Asked, classes: list[str], version: str) -> dict[str, Any]:
    """A task to import: with the picture, the classes to choose from, and the present answer beforehand."""
    answer = one.answer.label
    data = {
        IMAGE: data_url(one.input),
        "prediction_id": one.waiting.id,
        "answer": label_text(answer),
        "score": one.why.score,
        "classes": [{"value": name} for name in classes],
    }
    predictions = [] if isinstance(answer, dict) else [_preannotation(one, version)]
    return {"data": data, "predictions": predictions}


def _preannotation(one: Asked, version: str) -> dict[str, Any]:
    value = {"choices": [label_text(one.answer.label)]}
    result = [{"from_name": LABEL, "to_name": IMAGE, "type": "choices", "value": value}]
    return {"model_version": version, "score": one.answer.probability, "result": result}
