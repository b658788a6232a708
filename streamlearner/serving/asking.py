"""The questions that are asked of people: which inputs that wait for a label, and the present answers."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from itertools import groupby, islice

import torch
from torch import Tensor

from streamlearner.errors import StreamlearnerError
from streamlearner.learning.predictor import Answer, Predictor
from streamlearner.learning.questions import Question, choose
from streamlearner.serving.answers import Answers
from streamlearner.serving.daemon_port import DaemonPort
from streamlearner.serving.labels import Joining, input_of
from streamlearner.serving.problems import Problem
from streamlearner.serving.workers import LEFT, Left
from streamlearner.state.prediction import Prediction
from streamlearner.state.predictions import Predictions

MOST = 1024
"""Inputs that one request looks at."""
WITHIN_S = 2.0
"""For as long: where a large network has not seen all by then, those that it has seen are compared."""
AT_ONCE = 32
REMEMBERED = 512
"""Recollections that inputs are compared with, of all classes together; of each class at least one."""
REMEMBERED_FOR_S = 30.0
"""After which they are read again: the learning thread does that, between two batches."""
WAIT_S = 2.0
"""For the learning thread. Where it is busy, the recollections of before are taken, or none."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One question: the input that waits, the present answer to it, and why it was chosen."""

    waiting: Prediction
    input: Tensor
    answer: Answer
    why: Question


@dataclass(frozen=True, slots=True)
class Questions:
    """`waiting` predictions in all, of which so many were `considered` by the model that answers now."""

    asked: list[Asked]
    waiting: int
    considered: int
    predictor: Predictor
    keep_s: float


class Asking:
    """Chooses questions, in the thread of who asks. Each request costs at most `WITHIN_S` of a large network,
    and `MOST` inputs of a small one."""

    def __init__(
        self, *, answers: Answers, predictions: Predictions, joining: Joining, daemon: DaemonPort
    ) -> None:
        self._answers = answers
        self._predictions = predictions
        self._joining = joining
        self._remembered = _Remembered(daemon)

    def ask(self, count: int, *, without: Collection[str], left: Left) -> Questions:
        """At most `count` questions, none of the ids in `without`, nor one that is nearly alike to them."""
        predictor = self._answers.model
        waiting = self._predictions.waiting
        offered = [one for one in waiting.look(MOST) if one.shape == predictor.input_shape]
        seen, leads, features = _look(offered, predictor, left)
        new = torch.tensor([one.id not in without for one in seen], dtype=torch.bool)
        chosen = choose(
            leads[new],
            features[new],
            remembered=self._remembered.features(predictor, features, left),
            asked=features[~new],
            count=count,
        )
        fresh = [one for one in seen if one.id not in without]
        asked = [_asked(fresh[why.place], why, predictor) for why in chosen]
        self._joining.ask([one.waiting.id for one in asked])
        return Questions(asked, len(self._predictions), len(seen), predictor, waiting.keep_s)


def _asked(waiting: Prediction, why: Question, predictor: Predictor) -> Asked:
    given = input_of(waiting)
    with torch.inference_mode():
        (answer,) = predictor.predict(given[None], task=waiting.task, probabilities=True)
    return Asked(waiting, given, answer, why)


def _look(
    offered: list[Prediction], predictor: Predictor, left: Left
) -> tuple[list[Prediction], Tensor, Tensor]:
    """Those that were seen in time, how far their answers lead, and their features."""
    seen: list[Prediction] = []
    found: list[tuple[Tensor, Tensor]] = []
    until_s = time.monotonic() + WITHIN_S
    for part in _parts(offered):
        if left():
            raise Problem(499, LEFT)
        if found and time.monotonic() > until_s:
            break
        with torch.inference_mode():
            inputs = torch.stack([input_of(one) for one in part])
            found.append(predictor.look(inputs, task=part[0].task))
        seen += part
    if not found:
        return [], torch.zeros(0), torch.zeros(0, 1)
    return seen, torch.cat([lead for lead, _ in found]), torch.cat([one for _, one in found])


def _parts(offered: list[Prediction]) -> Iterator[list[Prediction]]:
    """A few at a time, of one task each, in about the order in which they were offered."""
    for first in range(0, len(offered), 4 * AT_ONCE):
        some = sorted(offered[first : first + 4 * AT_ONCE], key=lambda one: one.task or "")
        for _, group in groupby(some, key=lambda one: one.task):
            while part := list(islice(group, AT_ONCE)):
                yield part


class _Remembered:
    """Features of recollections, by the model that answers."""

    def __init__(self, daemon: DaemonPort, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._daemon = daemon
        self._clock = clock
        self._inputs: list[Tensor] = []
        self._read_s = float("-inf")

    def features(self, predictor: Predictor, like: Tensor, left: Left) -> Tensor:
        """[m, f]; none where nothing is remembered. `like` has the f of the questions."""
        self._read(predictor, left)
        with torch.inference_mode():
            found = [predictor.method.features(some) for some in self._inputs]
        found = [some for some in found if some.shape[1:] == like.shape[1:]]
        return torch.cat(found) if found else torch.zeros(0, like.shape[1])

    def _read(self, predictor: Predictor, left: Left) -> None:
        if self._clock() - self._read_s < REMEMBERED_FOR_S:
            return
        per_class = max(1, REMEMBERED // max(1, predictor.method.classes))
        try:
            found = self._daemon.recollections(per_class, WAIT_S, left)
        except (TimeoutError, StreamlearnerError):  # busy, or stopping: those of before will do
            return
        self._inputs, self._read_s = [inputs for _, inputs in found], self._clock()
