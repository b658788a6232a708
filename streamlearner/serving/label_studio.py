"""POST /v1/label-studio: an annotation of Label Studio, as its webhook sends it, labels a prediction.

Where several come at once, each is joined by itself, and the answer has a list of what became of them.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from starlette.requests import Request

from streamlearner.decoding.labels import label_text, parse_label
from streamlearner.errors import InvalidInput
from streamlearner.serving.asking import Asked
from streamlearner.serving.bodies import Bodies, parse, require_json
from streamlearner.serving.input_pictures import data_url
from streamlearner.serving.label_studio_events import (
    ANNOTATED,
    IMAGE,
    LABEL,
    SEVERAL,
    AnnotatedTask,
    Event,
    Region,
)
from streamlearner.serving.labels import KINDS, NOT_KEPT, STATUSES, Joining, Outcome
from streamlearner.serving.problems import Json, Problem
from streamlearner.serving.workers import Workers
from streamlearner.stream import Factors, Label


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
        if event.action == SEVERAL:
            return self._several(event, self._joining)
        if event.action not in ANNOTATED:
            return _ignored(f"{event.action[:100]} brings no label")
        one = event.one()
        if one.annotation.was_cancelled:
            return _ignored("the task was skipped")
        outcome = self._join(one, self._joining)
        if STATUSES[outcome.name] >= 400:
            raise Problem(STATUSES[outcome.name], outcome.text, kind=KINDS[outcome.name])
        content = {"outcome": outcome.name, "prediction_id": one.task.data.prediction_id}
        return Json(content, status_code=STATUSES[outcome.name])

    def _several(self, event: Event, joining: Joining) -> Json:
        """One that cannot be joined keeps none of the others from it."""
        found = [self._each(one, joining) for one in event.several()]
        accepted = any(STATUSES.get(each["outcome"]) == 202 for each in found)
        return Json({"outcome": "several", "each": found}, status_code=202 if accepted else 200)

    def _each(self, one: AnnotatedTask | InvalidInput, joining: Joining) -> dict[str, str]:
        try:
            if isinstance(one, InvalidInput):
                raise one
            name = one.task.data.prediction_id
            if one.annotation.was_cancelled:
                return {"outcome": "ignored", "prediction_id": name, "reason": "the task was skipped"}
            outcome = self._join(one, joining)
        except InvalidInput as error:
            joining.refuse()
            return {"outcome": "invalid", "reason": str(error)}
        said = {"outcome": outcome.name, "prediction_id": name}
        return said | ({"reason": outcome.text} if STATUSES[outcome.name] >= 400 else {})

    def _join(self, one: AnnotatedTask, joining: Joining) -> Outcome:
        name = one.task.data.prediction_id
        return joining.join(name, label_of(one.annotation.result or [], factors=joining.factors(name)))


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
