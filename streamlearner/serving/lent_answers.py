"""Answers to what the gateway asks, many requests at once."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from streamlearner.decoding.codec import Codec
from streamlearner.decoding.labels import parse_text
from streamlearner.errors import InvalidInput
from streamlearner.gateway.frames import Asker, Group, Reply, Told
from streamlearner.serving.answers import Answered, Answers
from streamlearner.serving.guard import Guard
from streamlearner.serving.problems import Problem
from streamlearner.serving.tokens import Role
from streamlearner.telemetry.metrics import Metrics

log = logging.getLogger(__name__)


class LentAnswers:
    """Asks the served model, once for each group of requests. Who may not ask, and what is refused, gets
    None: the daemon then has the request itself, and answers it with all it has to say."""

    def __init__(self, *, answers: Answers, guard: Guard, codec: Codec, metrics: Metrics) -> None:
        self._answers = answers
        self._guard = guard
        self._codec = codec
        self._metrics = metrics

    def reply(self, groups: Sequence[Group]) -> list[Reply]:
        """One for each group. Never raises."""
        return [self._reply(group) for group in groups]

    def _reply(self, group: Group) -> Reply:
        try:
            return self._answered(group)
        except (Problem, InvalidInput):
            pass
        except Exception:
            log.exception("what the gateway asked could not be answered")
        return Reply("", "", [None] * len(group.askers))

    def _answered(self, group: Group) -> Reply:
        predictor = self._answers.model
        schema = self._codec.schema
        if schema is not None and schema.shape != group.shape:
            raise InvalidInput("schema", f"{list(group.shape)}; expected {schema}")
        task = None if group.task is None else parse_text(group.task, "task")
        admitted = [self._admits(asker) for asker in group.askers]
        askers = [asker for asker, may in zip(group.askers, admitted, strict=True) if may]
        found: list[Answered | None] = []
        if askers:
            found = self._answers.to_each(
                _inputs(group, admitted),
                [asker.inputs for asker in askers],
                predictor=predictor,
                task=task,
                probabilities=group.probabilities,
                started_s=[asker.started_s for asker in askers],
            )
        of_admitted = iter(found)
        told = [_told(next(of_admitted)) if may else None for may in admitted]
        if given := sum(one is not None for one in told):
            self._metrics.count_requests(given, path="/v1/predict", code=200)
        return Reply(str(predictor.version), predictor.method.route, told)

    def _admits(self, asker: Asker) -> bool:
        try:
            self._guard.admit_rate(Role.PREDICT, asker.address)
            self._guard.admit_token(Role.PREDICT, asker.authorization)
        except Problem:
            return False
        return True


def _inputs(group: Group, admitted: Sequence[bool]) -> Tensor:
    """Of those who may ask."""
    array = np.frombuffer(group.data, group.dtype).reshape(-1, *group.shape)
    if all(admitted):
        return torch.from_numpy(array.copy())
    counts = [asker.inputs for asker in group.askers]
    return torch.from_numpy(array[np.repeat(np.array(admitted), counts)])


def _told(answered: Answered | None) -> Told | None:
    if answered is None:
        return None
    answers = [(one.label, one.probability, one.probabilities) for one in answered.answers]
    return Told(answered.prediction_id, answers)
