"""What the webhook of Label Studio sends (`label_studio.webhooks`, 1.23).

`action`, and where an annotation was made, the `annotation` with its `result`, and the `task` whose `data` is
what was imported. Where several were made at once (`ANNOTATIONS_CREATED`), both are lists, in the same order.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from pydantic import ConfigDict, Field

from streamlearner.errors import InvalidInput
from streamlearner.serving.bodies import Body, check
from streamlearner.serving.body_schemas import CLASS, JsonSchema

ANNOTATED = ("ANNOTATION_CREATED", "ANNOTATION_UPDATED")
SEVERAL = "ANNOTATIONS_CREATED"
LABEL, IMAGE = "label", "image"
"""The names of the tags in the labelling configuration."""


def _object(**properties: JsonSchema) -> JsonSchema:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _schema() -> JsonSchema:
    """Of one choice, of a task that was skipped, of several annotations (of which each is looked at by
    itself), and of actions that are none of ours."""
    task = _object(data=_object(prediction_id={"type": "string"}))
    one = {"type": "array", "minItems": 1, "maxItems": 1, "items": CLASS["anyOf"][0]}
    choice = _object(type={"const": "choices"}, from_name={"const": LABEL}, value=_object(choices=one))
    result: JsonSchema = {"type": "array", "minItems": 1, "maxItems": 1, "items": choice}
    made, skipped = {"const": False}, {"const": True}
    annotation = {"anyOf": [_object(was_cancelled=made, result=result), _object(was_cancelled=skipped)]}
    labelled = _object(action={"enum": list(ANNOTATED)}, annotation=annotation, task=task)
    lists = {"annotation": {"type": "array", "items": {}}, "task": {"type": "array", "items": {}}}
    several = _object(action={"const": SEVERAL}, **lists)
    others: JsonSchema = {"type": "string", "not": {"enum": [*ANNOTATED, SEVERAL]}}
    return {"anyOf": [labelled, several, _object(action=others)]}


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


class AnnotatedTask(_Part):
    """One annotation, and the task that it is of."""

    annotation: Annotation
    task: Task


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
    annotation: Any = Field(None)
    task: Any = Field(None)

    def one(self) -> AnnotatedTask:
        """Of an event of one annotation. Raises `InvalidInput`."""
        if self.annotation is None or self.task is None:
            text = "has no annotation and task: let the webhook of Label Studio send its payload"
            raise InvalidInput("json", f"{self.action} {text}")
        return check(AnnotatedTask, {"annotation": self.annotation, "task": self.task})

    def several(self) -> Iterator[AnnotatedTask | InvalidInput]:
        """Each of an event of several, or why it is none."""
        if not isinstance(self.annotation, list) or not isinstance(self.task, list):
            text = "has no lists of annotation and task: let the webhook of Label Studio send its payload"
            raise InvalidInput("json", f"{self.action} {text}")
        tasks = {one.get("id"): one for one in self.task if isinstance(one, dict)}
        for place, annotation in enumerate(self.annotation):
            beside = self.task[place] if place < len(self.task) else None
            named = annotation.get("task") if isinstance(annotation, dict) else None
            task = tasks.get(named, beside) if isinstance(named, int) else beside
            try:
                yield check(AnnotatedTask, {"annotation": annotation, "task": task})
            except InvalidInput as error:
                yield error
