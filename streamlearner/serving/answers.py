"""Answers of the served model, whichever protocol asks: checked, counted, and each with an id of its own."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate, count

import torch
from torch import Tensor

from streamlearner.decoding.shapes import written
from streamlearner.errors import InvalidInput
from streamlearner.learning.predictor import Answer, Predictor
from streamlearner.serving.labels import kept
from streamlearner.serving.problems import Problem
from streamlearner.serving.served_model import ServedModel
from streamlearner.state.predictions import Predictions
from streamlearner.telemetry.metrics import Metrics

log = logging.getLogger(__name__)

QUIET_S = 60.0


@dataclass(frozen=True, slots=True)
class Answered:
    """What one request gets: an answer and an id for each input, and the model that gave them."""

    answers: list[Answer]
    ids: list[str]
    prediction_id: str
    predictor: Predictor

    @property
    def version(self) -> str:
        """Of the model that answered."""
        return str(self.predictor.version)


class Answers:
    """Asks the newest frozen model. Any thread may. `id_prefix` tells the prediction ids of runs apart. What
    may be labelled later goes into `predictions`; None: nothing may."""

    def __init__(
        self,
        *,
        served: ServedModel,
        metrics: Metrics,
        id_prefix: str,
        predictions: Predictions | None,
        now_s: Callable[[], float],
    ) -> None:
        self._served = served
        self._predictions = predictions
        self._now_s = now_s
        self._said_s = float("-inf")
        self._metrics = metrics
        self._id_prefix = id_prefix
        self._ids = count(1)  # next() on it is atomic under the GIL

    @property
    def model(self) -> Predictor:
        """The one that answers now. Raises `Problem` 503 while there is none."""
        if self._served.current is None:
            text = "no model answers yet: nothing was learned"
            raise Problem(503, text, kind="no-model", headers={"Retry-After": "1"})
        return self._served.current

    def to(
        self, inputs: Tensor, *, predictor: Predictor, task: str | None, probabilities: bool, started_s: float
    ) -> Answered:
        """The answers of `predictor` to `inputs` [n, *input_shape]; `started_s`, of `time.perf_counter`, is
        when the request had been read. Raises `InvalidInput`, or `Problem` 503 for a model that diverged."""
        answers = _asked(inputs, predictor, task, probabilities)
        _refuse_not_finite(answers, inputs, predictor)
        answered = self._named(answers, predictor)
        self._tell(inputs, [answered], [started_s], predictor, task)
        return answered

    def to_each(
        self,
        inputs: Tensor,
        counts: Sequence[int],
        *,
        predictor: Predictor,
        task: str | None,
        probabilities: bool,
        started_s: Sequence[float],
    ) -> list[Answered | None]:
        """The same to several requests, of `counts` of `inputs` each, with one pass. None for a request whose
        answer is refused: asked alone, `to` says why. Raises `InvalidInput`."""
        answers = _asked(inputs, predictor, task, probabilities)
        parts = [slice(end - count, end) for end, count in zip(accumulate(counts), counts, strict=True)]
        given = [part for part in parts if all(answer.finite for answer in answers[part])]
        if len(given) == len(parts):
            found = [self._named(answers[part], predictor) for part in parts]
            self._tell(inputs, found, started_s, predictor, task)
            return list(found)
        named = {part.start: self._named(answers[part], predictor) for part in given}
        begun = [began for part, began in zip(parts, started_s, strict=True) if part.start in named]
        if given:
            kept = torch.cat([inputs[part] for part in given])
            self._tell(kept, list(named.values()), begun, predictor, task)
        return [named.get(part.start) for part in parts]

    def _named(self, answers: list[Answer], predictor: Predictor) -> Answered:
        name = f"{self._id_prefix}-{next(self._ids)}"
        ids = [name] if len(answers) == 1 else [f"{name}.{i}" for i in range(len(answers))]
        return Answered(answers, ids, name, predictor)

    def _tell(
        self,
        inputs: Tensor,
        answered: Sequence[Answered],
        started_s: Sequence[float],
        predictor: Predictor,
        task: str | None,
    ) -> None:
        """Counts these requests, and keeps their inputs for the labels that come later."""
        if inputs.is_floating_point():
            self._metrics.count_missing(int(inputs.isnan().sum()), of="prediction")
        ids = [name for one in answered for name in one.ids]
        self._keep(ids, [answer for one in answered for answer in one.answers], inputs, predictor, task)
        now_s, route = time.perf_counter(), answered[0].answers[0].route
        took_s = [now_s - began_s for began_s in started_s]
        self._metrics.observe_predictions(route=route, inputs=len(ids), seconds=took_s)

    def _keep(
        self, ids: list[str], answers: list[Answer], inputs: Tensor, predictor: Predictor, task: str | None
    ) -> None:
        """A disk that takes nothing more holds up no answer: its label will be for an unknown id."""
        if self._predictions is None:
            return
        try:
            self._predictions.keep(
                kept(
                    ids=ids, answers=answers, inputs=inputs, version=str(predictor.version), task=task,
                    now_s=self._now_s(),
                )
            )  # fmt: skip
        except sqlite3.Error as error:
            if self._now_s() - self._said_s >= QUIET_S:
                self._said_s = self._now_s()
                log.error("predictions cannot be kept for their labels: %s", error)


def _asked(inputs: Tensor, predictor: Predictor, task: str | None, probabilities: bool) -> list[Answer]:
    _check(inputs, predictor)
    with torch.inference_mode():
        return predictor.predict(inputs, task=task, probabilities=probabilities)


def _check(inputs: Tensor, predictor: Predictor) -> None:
    """The codec has checked against the stream's schema; the served model may know none or an older one."""
    if tuple(inputs.shape[1:]) != predictor.input_shape:
        found, expected = written(inputs.shape[1:]), written(predictor.input_shape)
        raise InvalidInput("schema", f"input is {found}; this model expects {expected}")


def _refuse_not_finite(answers: list[Answer], inputs: Tensor, predictor: Predictor) -> None:
    """Finite floats can be so large that they overflow in the network; bytes and zeros cannot: then it is the
    model."""
    wrong = next((i for i, answer in enumerate(answers) if not answer.finite), None)
    if wrong is None:
        return
    if inputs.dtype == torch.uint8 or not predictor.is_finite:
        text = "the model gives no finite answer: it diverged; roll back to an earlier version"
        raise Problem(503, text, kind="diverged")
    low, high = float(inputs[wrong].min()), float(inputs[wrong].max())
    raise InvalidInput("value", f"inputs[{wrong}]: no finite answer for values from {low:.3g} to {high:.3g}")
