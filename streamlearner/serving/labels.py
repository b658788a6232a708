"""POST /v1/labels: the label that came later joins the input that was predicted, and both are learned."""

from __future__ import annotations

import contextlib
import json
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from starlette.requests import Request
from torch import Tensor

from streamlearner.decoding.labels import parse_label
from streamlearner.errors import StreamlearnerError
from streamlearner.learning.predictor import Answer
from streamlearner.serving.bodies import Bodies, LabelBody, parse, require_json
from streamlearner.serving.daemon_port import IngestExample, Receipt
from streamlearner.serving.problems import Json, Problem
from streamlearner.serving.workers import Workers
from streamlearner.state.prediction import EXPIRED, LABELLED, Prediction
from streamlearner.state.predictions import Predictions
from streamlearner.stream import Factors, Label, Source
from streamlearner.telemetry.metrics import Metrics

NOT_KEPT = "this daemon keeps no predictions for labels that come later: set labels.budget_bits"
STATUSES = {
    "accepted": 202, "sent_on": 202, "duplicate": 200, "conflict": 409, "unknown": 404, "expired": 410,
}  # fmt: skip
KINDS = {"conflict": "label-conflict", "unknown": "unknown-prediction", "expired": "prediction-expired"}
MOST_ASKED = 10_000
"""Questions that are remembered to have been given, until their label comes."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a label: a name of `state.answered.OUTCOMES`, or sent_on; and a sentence."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class LabelsLater:
    """Where `predictions` wait, and what makes an example durable (`DaemonPort.ingest`). `topic` brings more
    labels; how far it was read is noted in `place`. `others`, where several answer and each keeps predictions
    of its own, sends a label on to them: False for a prediction that none of them gave."""

    predictions: Predictions
    ingest: Callable[[list[IngestExample]], Receipt]
    topic: Source | None = None
    place: Path = Path("labels-topic.json")
    others: Callable[[str, Label | Factors], bool] | None = None


class Joining:
    """Joins labels to predictions, each once, from any thread."""

    def __init__(self, later: LabelsLater, *, metrics: Metrics) -> None:
        self._predictions = later.predictions
        self._learn, self._others = later.ingest, later.others
        self._metrics = metrics
        self._asked = OrderedDict[str, None]()

    def ask(self, names: Sequence[str]) -> None:
        """These are being asked of people, and counted once each, like the labels that come for them."""
        for name in names:
            if name not in self._asked:
                self._asked[name] = None
                self._metrics.count_question(outcome="given")
            if len(self._asked) > MOST_ASKED:
                self._asked.popitem(last=False)

    def factors(self, name: str) -> Collection[str]:
        """Of the answer that was given, or the label that came: where it had any."""
        found = self._predictions.find(name)
        texts = (found.answer, found.label) if found is not None else ()
        return {factor for text in texts if text and text[0] == "{" for factor in json.loads(text)}

    def join(self, name: str, label: Label | Factors) -> Outcome:
        """The example is durable when this returns "accepted", the label when "sent_on". Raises what
        `DaemonPort.ingest` raises: then nothing was joined, and the label may be sent again."""
        outcome = self._join(name, label)
        if outcome.name == "unknown" and self._others and self._others(name, label):
            self._metrics.count_label(outcome="sent_on")
            return Outcome("sent_on", "")
        self._tell(outcome.name)
        if outcome.name == "accepted" and name in self._asked:
            self._asked.pop(name, None)
            self._metrics.count_question(outcome="answered")
        return outcome

    def join_from_topic(self, name: str, label: Label | Factors) -> None:
        """As `join`; one for another's prediction is passed over."""
        if self._others is None or self._predictions.find(name) is not None:
            self.join(name, label)

    def erase(self, name: str) -> bool:
        """The input that waits for its label leaves. Whether there was one."""
        return self._predictions.erase(name)

    def refuse(self) -> None:
        """Something came that is no label."""
        self._tell("invalid")

    def _tell(self, outcome: str) -> None:
        self._predictions.answered.tell(outcome)
        self._metrics.count_label(outcome=outcome)

    def recover(self) -> None:
        """Joins the labels that were noted and not joined when the process ended; call before others do."""
        for found in self._predictions.claimed():
            assert found.label is not None
            with contextlib.suppress(StreamlearnerError):  # it waits on, and the label may be sent again
                self.join(found.id, parse_label(json.loads(found.label)))

    def _join(self, name: str, label: Label | Factors) -> Outcome:
        text = json.dumps(label, sort_keys=True)
        found = self._predictions.claim(name, text)
        if found is None:
            return Outcome("unknown", f'no prediction "{name[:100]}" is known: it never was, or long ago')
        if found.state == EXPIRED:
            why = "it waited too long, made room for newer ones, or was erased"
            return Outcome("expired", f'prediction "{name}" takes no label any more: {why}')
        if found.label != text:
            return Outcome("conflict", f'prediction "{name}" has the label {found.label} already')
        if found.state == LABELLED:
            return Outcome("duplicate", f'prediction "{name}" has this label already')
        self._ingest(found, label)
        if not self._predictions.joined(name, right=_is_right(found.answer, label)):
            return Outcome("duplicate", f'prediction "{name}" has this label already')
        return Outcome("accepted", "")

    def _ingest(self, found: Prediction, label: Label | Factors) -> None:
        """An example that was joined before a crash, or by another thread just now, is a duplicate there."""
        task = None if isinstance(label, Mapping) and found.task in label else found.task
        try:
            self._learn([IngestExample(input_of(found), label, task, found.id)])
        except Exception:
            self._predictions.unclaim(found.id)
            raise


class Labels:
    """The route. `joining` is None where no predictions are kept."""

    def __init__(self, *, joining: Joining | None, bodies: Bodies, workers: Workers) -> None:
        self._joining = joining
        self._bodies = bodies
        self._workers = workers

    async def label(self, request: Request) -> Json:
        """Joins a label to the prediction it is for: 202 once both are durable, 200 where they were before.
        404 for an id that is not known, 410 for one that expired, 409 for another label than before."""
        require_json(request)
        body = await self._bodies.read(request)
        return await self._workers.run(lambda _: self._label(body), client=request)

    def _label(self, body: bytes) -> Json:
        found = parse(LabelBody, body)
        label = parse_label(found.label)
        if self._joining is None:
            raise Problem(409, NOT_KEPT, kind="labels-not-kept")
        outcome = self._joining.join(found.prediction_id, label)
        status = STATUSES[outcome.name]
        if status >= 400:
            raise Problem(status, outcome.text, kind=KINDS[outcome.name])
        content = {"outcome": outcome.name, "prediction_id": found.prediction_id}
        return Json(content, status_code=status)


def kept(
    *, ids: list[str], answers: list[Answer], inputs: Tensor, version: str, task: str | None, now_s: float
) -> list[Prediction]:
    """What is kept of the answers to one request."""
    arrays = inputs.numpy()
    return [
        Prediction(
            id=name,
            kept_s=now_s,
            version=version,
            answer=json.dumps(answer.label, sort_keys=True),
            probability=_least(answer.probability),
            task=task,
            shape=array.shape,
            dtype=array.dtype.name,
            input=array.tobytes(),
        )
        for name, answer, array in zip(ids, answers, arrays, strict=True)
    ]


def _least(probability: float | dict[str, float]) -> float:
    """Of several factors, the least sure."""
    return min(probability.values()) if isinstance(probability, dict) else probability


def input_of(found: Prediction) -> Tensor:
    """As it was predicted, or with less of its detail."""
    return torch.from_numpy(np.frombuffer(found.input, found.dtype).reshape(found.shape).copy())


def _is_right(answer: str, label: Label | Factors) -> bool:
    """Of a label of several factors, all that were both asked and told must be right."""
    given = json.loads(answer)
    if not isinstance(label, Mapping):
        return bool(given == label)
    both = label.keys() & given.keys() if isinstance(given, dict) else set()
    return bool(both) and all(given[factor] == label[factor] for factor in both)
