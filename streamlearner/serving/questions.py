"""GET /v1/questions: inputs that wait for a label, those first whose label would teach most."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field
from starlette.requests import Request

from streamlearner.learning.predictor import Answer, Predictor
from streamlearner.serving.asking import Asked, Asking, Questions
from streamlearner.serving.body_schemas import TEXT
from streamlearner.serving.input_pictures import written
from streamlearner.serving.label_studio import task_of
from streamlearner.serving.labels import NOT_KEPT
from streamlearner.serving.parameters import Parameter
from streamlearner.serving.problems import Json, Problem, finite
from streamlearner.serving.workers import Left, Workers

MOST = 100
MOST_CLASSES = 1000
MOST_PROBABILITIES = 20


class QuestionQueue:
    """The route. `asking` is None where no predictions are kept."""

    def __init__(self, *, asking: Asking | None, workers: Workers) -> None:
        self._asking = asking
        self._workers = workers

    async def show(
        self,
        request: Request,
        n: Annotated[int, Parameter(ge=1, le=MOST, description="questions, at most")] = 10,
        without: Annotated[
            list[Annotated[str, Field(json_schema_extra=TEXT)]] | None,
            Parameter(
                max_length=MOST, description="ids that are not asked, nor what is nearly alike to them"
            ),
        ] = None,
        form: Annotated[
            Literal["json", "label-studio"],
            Parameter(alias="format", description="label-studio: a list of tasks to import there"),
        ] = "json",
    ) -> Json:
        """The inputs that wait for a label and whose label would teach most, no two nearly alike."""
        if self._asking is None:
            raise Problem(409, NOT_KEPT, kind="labels-not-kept")
        asking, skipped = self._asking, frozenset(without or ())
        return await self._workers.run(lambda left: _answer(asking, n, skipped, form, left), client=request)


def _answer(asking: Asking, count: int, without: frozenset[str], form: str, left: Left) -> Json:
    found = asking.ask(count, without=without, left=left)
    if form == "label-studio":
        classes = [str(label) for label in _classes(found.predictor)]
        return Json(finite([task_of(one, classes, str(found.predictor.version)) for one in found.asked]))
    return Json(finite(_document(found)))


def _document(found: Questions) -> dict[str, Any]:
    return {
        "questions": [_question(one, keep_s=found.keep_s) for one in found.asked],
        "waiting": found.waiting,
        "considered": found.considered,
        "model_version": str(found.predictor.version),
        "classes": _classes(found.predictor),
    }


def _question(one: Asked, *, keep_s: float) -> dict[str, Any]:
    waiting, why = one.waiting, one.why
    return {
        "prediction_id": waiting.id,
        "input": written(one.input),
        "task": waiting.task,
        "answer": _present(one.answer),
        "answered": {"label": waiting.answered, "model_version": waiting.version},
        "score": why.score,
        "uncertainty": why.uncertainty,
        "novelty": why.novelty,
        "diversity": why.diversity,
        "kept_s": waiting.kept_s,
        "expires_s": waiting.kept_s + keep_s,
    }


def _present(answer: Answer) -> dict[str, Any]:
    found: Mapping[Any, Any] = answer.probabilities or {}
    shown: dict[Any, Any]
    if isinstance(answer.label, dict):
        shown = {factor: _most_probable(of) for factor, of in found.items()}
    else:
        shown = _most_probable(found)
    return {
        "label": answer.label,
        "probability": answer.probability,
        "route": answer.route,
        "probabilities": shown,
    }


def _most_probable(probabilities: Any) -> dict[Any, float]:
    return dict(sorted(probabilities.items(), key=lambda one: -one[1])[:MOST_PROBABILITIES])


def _classes(predictor: Predictor) -> list[Any]:
    """Those that the model may answer, as labels are written: none that was erased; of factors, none."""
    known = predictor.method.seen_classes.seen[-1, : len(predictor.labels)]
    names = (predictor.labels.label(index) for index in known.nonzero()[:, 0].tolist())
    return [name for name in names if isinstance(name, str | int)][:MOST_CLASSES]
