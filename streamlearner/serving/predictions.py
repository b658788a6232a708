"""POST /v1/predict: answers from the frozen model, independent of learning."""

from __future__ import annotations

import time
from collections.abc import Mapping
from itertools import count
from typing import Any

import torch
from starlette.requests import Request
from torch import Tensor

from streamlearner.decoding.codec import Codec
from streamlearner.decoding.labels import parse_text
from streamlearner.errors import InvalidInput
from streamlearner.learning.predictor import Answer, Predictor
from streamlearner.serving.bodies import Bodies, PredictBody, check, media_type, parse
from streamlearner.serving.problems import Json, Problem
from streamlearner.serving.served_model import ServedModel
from streamlearner.serving.workers import Workers
from streamlearner.telemetry.metrics import Metrics

IMAGES = ("image/png", "image/jpeg", "image/webp")
RAW = "application/octet-stream"


class Predictions:
    """Reads on the event loop, predicts in a thread. `id_prefix` tells the prediction ids of runs apart."""

    def __init__(
        self,
        *,
        served: ServedModel,
        codec: Codec,
        bodies: Bodies,
        workers: Workers,
        metrics: Metrics,
        max_batch: int,
        id_prefix: str,
    ) -> None:
        self._served = served
        self._codec = codec
        self._bodies = bodies
        self._workers = workers
        self._metrics = metrics
        self._max_batch = max_batch
        self._id_prefix = id_prefix
        self._ids = count(1)  # next() on it is atomic under the GIL

    async def predict(self, request: Request) -> Json:
        """Answers one input or many with the newest frozen model."""
        media = media_type(request)
        if media not in (*IMAGES, RAW, "application/json"):
            expected = ", ".join(("application/json", *IMAGES, RAW))
            raise Problem(415, f"content-type is {media[:80]!r}; expected {expected}")
        body = await self._bodies.read(request)
        started = time.perf_counter()
        return await self._workers.run(lambda _: self._answer(request, media, body, started), client=request)

    def _answer(self, request: Request, media: str, body: bytes, started: float) -> Json:
        predictor = self._served.current
        if predictor is None:
            text = "no model answers yet: nothing was learned"
            raise Problem(503, text, headers={"Retry-After": "1"})
        query, inputs = self._read(request, media, body)
        _check(inputs, predictor)
        task = None if query.task is None else parse_text(query.task, "task")
        with torch.inference_mode():
            answers = predictor.predict(inputs, task=task, probabilities=bool(query.returns))
        _refuse_not_finite(answers, inputs, predictor)
        content = self._content(answers, str(predictor.version))
        route, seconds = answers[0].route, time.perf_counter() - started
        self._metrics.observe_prediction(route=route, inputs=len(answers), seconds=seconds)
        return Json(content)

    def _read(self, request: Request, media: str, body: bytes) -> tuple[PredictBody, Tensor]:
        if media == "application/json":
            query = parse(PredictBody, body)
            if len(query.inputs) > self._max_batch:
                text = f"{len(query.inputs)} inputs; expected at most {self._max_batch} (serving.max_batch)"
                raise InvalidInput("too_large", text)
            return query, self._codec.decode_inputs(query.inputs)
        query = _query(request)
        if media == RAW:
            shape, dtype = request.headers.get("shape"), request.headers.get("dtype")
            return query, self._codec.decode_input({"data": body, "shape": shape, "dtype": dtype})[None]
        return query, self._codec.decode_image(body)[None]

    def _content(self, answers: list[Answer], version: str) -> dict[str, Any]:
        """One input has the request's id; several have `.0`, `.1`, ... behind it."""
        name = f"{self._id_prefix}-{next(self._ids)}"
        names = [name] if len(answers) == 1 else [f"{name}.{i}" for i in range(len(answers))]
        predictions = [_prediction(answer, name) for answer, name in zip(answers, names, strict=True)]
        return {"predictions": predictions, "model_version": version, "prediction_id": name}


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


def _check(inputs: Tensor, predictor: Predictor) -> None:
    """The codec has checked against the stream's schema; the served model may know none or an older one."""
    if tuple(inputs.shape[1:]) != predictor.input_shape:
        found, expected = list(inputs.shape[1:]), list(predictor.input_shape)
        raise InvalidInput("schema", f"input is {found} (channels first); this model expects {expected}")


def _refuse_not_finite(answers: list[Answer], inputs: Tensor, predictor: Predictor) -> None:
    """Finite floats can be so large that they overflow in the network; bytes and zeros cannot: then it is the
    model."""
    wrong = next((i for i, answer in enumerate(answers) if not answer.finite), None)
    if wrong is None:
        return
    if inputs.dtype == torch.uint8 or not predictor.is_finite:
        raise Problem(503, "the model gives no finite answer: it diverged; roll back to an earlier version")
    low, high = float(inputs[wrong].min()), float(inputs[wrong].max())
    raise InvalidInput("value", f"inputs[{wrong}]: no finite answer for values from {low:.3g} to {high:.3g}")
