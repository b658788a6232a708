"""GET /v1/exam: examples of the exam with their answers. GET /v1/confusion: what is taken for what."""

from __future__ import annotations

from typing import Annotated, Any

import torch
from starlette.requests import Request

from streamlearner.decoding.labels import in_json
from streamlearner.evaluation.withheld import batches
from streamlearner.serving.answers import Answers
from streamlearner.serving.daemon_port import DaemonPort, ExamSample
from streamlearner.serving.parameters import Parameter
from streamlearner.serving.problems import Json, Problem, busy
from streamlearner.serving.recollections import ONE_CLASS, as_base64
from streamlearner.serving.workers import Left, Workers

CONFUSED = 1_000
"""Examples that the confusion matrix is of, at most: tens of milliseconds for a small network."""


class ExamView:
    """The learning thread reads the examples between two batches; a thread of serving asks the frozen model
    that answers now, for which learning does not wait."""

    def __init__(self, *, daemon: DaemonPort, answers: Answers, workers: Workers, timeout_s: float) -> None:
        self._daemon = daemon
        self._answers = answers
        self._workers = workers
        self._timeout_s = timeout_s

    async def examples(
        self,
        request: Request,
        label: Annotated[str | None, Parameter(description=ONE_CLASS)] = None,
        most: Annotated[int, Parameter(ge=1, le=64, description="examples, at most")] = 16,
    ) -> Json:
        """Examples of the exam, as predict takes them, and what the model that answers now says of each."""
        return await self._workers.run(lambda left: self._examples(label, most, left), client=request)

    async def confusion(self, request: Request) -> Json:
        """How often examples of each class of the exam are answered as which, on up to 1,000 of them."""
        return await self._workers.run(self._confusion, client=request)

    def _examples(self, label: str | None, most: int, left: Left) -> Json:
        sample = self._sample(label, most, left)
        version, answers = self._answered(sample)
        found = [
            {
                "label": in_json(sample.labels[i]), "answer": in_json(answer), "right": right,
                "probability": probability, "period": sample.periods[i],
                "input": as_base64(sample.inputs[i]),
            }
            for i, (answer, probability, right) in enumerate(answers)
        ]  # fmt: skip
        return Json({"model_version": version, "examples": found})

    def _confusion(self, left: Left) -> Json:
        sample = self._sample(None, CONFUSED, left)
        version, answers = self._answered(sample)
        names = list(dict.fromkeys([*sample.labels, *(answer for answer, _, _ in answers)]))
        place = {name: i for i, name in enumerate(names)}
        counts = [[0] * len(names) for _ in names]
        for label, (answer, _, _) in zip(sample.labels, answers, strict=True):
            counts[place[label]][place[answer]] += 1
        return Json({"model_version": version, "labels": list(map(in_json, names)), "counts": counts})

    def _sample(self, label: str | None, most: int, left: Left) -> ExamSample:
        try:
            found = self._daemon.exam(label, most, self._timeout_s, left)
        except TimeoutError:
            raise busy(self._timeout_s) from None
        if found is None:
            of = "" if label is None else f" of a class {label[:80]!r}"
            raise Problem(404, f"the exam holds no examples{of} yet")
        return found

    def _answered(self, sample: ExamSample) -> tuple[str, list[tuple[Any, float, bool]]]:
        """The model's version, and of each example the answer, its probability, and whether it is right."""
        predictor = self._answers.model
        known = sample.tasks < len(predictor.tasks)
        tasks = torch.where(known, sample.tasks, -1) if len(predictor.tasks) else None
        found: list[tuple[Any, float, bool]] = []
        for part in batches(len(sample.labels)):
            inputs, named = sample.inputs[part], None if tasks is None else tasks[part]
            with torch.inference_mode():
                best = predictor.method.predict_proba(inputs, named).max(1)
            for index, value, label in zip(
                best.indices.tolist(), best.values.tolist(), sample.labels[part], strict=True
            ):
                answer = predictor.labels.label(index)
                found.append((answer, value, answer == label))
        return str(predictor.version), found
