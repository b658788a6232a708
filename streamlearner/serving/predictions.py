"""POST /v1/predict: answers from the frozen model, independent of learning."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from torch import Tensor

from streamlearner.decoding.codec import Codec
from streamlearner.decoding.labels import parse_text
from streamlearner.decoding.shapes import written
from streamlearner.errors import InvalidInput
from streamlearner.learning.predictor import Answer
from streamlearner.serving.answers import Answered, Answers
from streamlearner.serving.bodies import Bodies, PredictBody, check, media_type, parse
from streamlearner.serving.body_schemas import TEXT
from streamlearner.serving.connection import PLAIN
from streamlearner.serving.problems import Json, Problem
from streamlearner.serving.workers import Workers

IMAGES = ("image/png", "image/jpeg", "image/webp", "image/tiff")
RAW = "application/octet-stream"
BESIDE_IMAGES: list[dict[str, Any]] = [
    {
        "name": name, "in": "query", "required": False, "schema": schema,
        "description": f"as `{name}` of a JSON body, which comes first: beside an image or raw bytes",
    }
    for name, schema in {"task": TEXT, "return": {"type": "string", "enum": ["probabilities"]}}.items()
]  # fmt: skip
"""In OpenAPI."""


class Predictions:
    """Reads on the event loop, predicts in a thread."""

    def __init__(
        self,
        *,
        answers: Answers,
        codec: Codec,
        bodies: Bodies,
        workers: Workers,
        max_batch: int,
    ) -> None:
        self._answers = answers
        self._codec = codec
        self._bodies = bodies
        self._workers = workers
        self._max_batch = max_batch

    async def predict(self, request: Request) -> Json:
        """Answers one input or many with the newest frozen model."""
        media = media_type(request)
        if media not in (*IMAGES, RAW, "application/json"):
            expected = ", ".join(("application/json", *IMAGES, RAW))
            raise Problem(415, f"content-type is {media[:80]!r}; expected {expected}")
        body = await self._bodies.read(request)
        started = time.perf_counter()
        work = self._workers.run(lambda _: self._answer(request, media, body, started), client=request)
        answer = await work
        if media == "application/json" and not request.query_params:
            request.scope[PLAIN] = True
        return answer

    def _answer(self, request: Request, media: str, body: bytes, started: float) -> Json:
        predictor = self._answers.model
        query, inputs = self._read(request, media, body)
        task = None if query.task is None else parse_text(query.task, "task")
        answered = self._answers.to(
            inputs, predictor=predictor, task=task, probabilities=bool(query.returns), started_s=started
        )
        return Json(_content(answered))

    def _read(self, request: Request, media: str, body: bytes) -> tuple[PredictBody, Tensor]:
        if media == "application/json":
            query = _with(parse(PredictBody, body), request)
            if len(query.inputs) > self._max_batch:
                text = f"{len(query.inputs)} inputs; expected at most {self._max_batch} (serving.max_batch)"
                raise InvalidInput("too_large", text)
            return query, self._codec.decode_inputs(query.inputs)
        query = _query(request)
        if media == RAW:
            shape, dtype = request.headers.get("shape"), request.headers.get("dtype")
            if shape is None and (schema := self._codec.schema) is not None:
                shape, dtype = ",".join(map(str, written(schema.shape))), dtype or schema.dtype
            return query, self._codec.decode_input({"data": body, "shape": shape, "dtype": dtype})[None]
        return query, self._codec.decode_image(body)[None]


def _content(answered: Answered) -> dict[str, Any]:
    """One input has the request's id; several have `.0`, `.1`, ... behind it."""
    pairs = zip(answered.answers, answered.ids, strict=True)
    return {
        "predictions": [_prediction(answer, name) for answer, name in pairs],
        "model_version": answered.version,
        "prediction_id": answered.prediction_id,
    }


def _with(query: PredictBody, request: Request) -> PredictBody:
    """What the body does not say, the query may."""
    if not request.query_params:
        return query
    beside = _query(request)
    task = beside.task if query.task is None else query.task
    return query.model_copy(update={"task": task, "returns": query.returns or beside.returns})


def _query(request: Request) -> PredictBody:
    """Where the body is one image or raw bytes: `?task=...&return=probabilities`."""
    found: Mapping[str, str] = request.query_params
    if "inputs" in found:
        raise InvalidInput("json", 'unknown query parameter "inputs"; expected task?, return?')
    values = {key: value.split(",") if key == "return" else value for key, value in found.items()}
    return check(PredictBody, {"inputs": [], **values})


def _prediction(answer: Answer, name: str) -> dict[str, Any]:
    prediction: dict[str, Any] = {
        "label": answer.label,
        "probability": answer.probability,
        "route": answer.route,
        "prediction_id": name,
    }
    if answer.probabilities is not None:
        prediction["probabilities"] = answer.probabilities
    return prediction
