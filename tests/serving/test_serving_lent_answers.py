"""What the gateway asks: many requests with one pass, each admitted and answered for itself."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from streamlearner.decoding.codec import Codec, Schema
from streamlearner.gateway.frames import Asker, Group, Told
from streamlearner.learning.predictor import Predictor
from streamlearner.serving.access import Access
from streamlearner.serving.answers import Answers
from streamlearner.serving.lent_answers import LentAnswers
from streamlearner.serving.served_model import ServedModel
from streamlearner.telemetry.metrics import Metrics
from tests.support.serving_fakes import SHAPE, tiny_predictor


def answers_of(
    metrics: Metrics, predictor: Predictor | None, *, schema: Schema | None = None, **access: Any
) -> LentAnswers:
    served = ServedModel(every_examples=1, every_s=1.0, metrics=metrics, now_s=time.time)
    if predictor is not None:
        served.refresh(predictor)
    answers = Answers(served=served, metrics=metrics, id_prefix="run", predictions=None, now_s=time.time)
    guard = Access(**access).guard()
    return LentAnswers(answers=answers, guard=guard, codec=Codec(schema=schema), metrics=metrics)


def group(
    levels: Sequence[Sequence[float]], *, authorization: str = "", dtype: str = "uint8", **more: Any
) -> Group:
    """One request for each of `levels`, with an input for each level in it."""
    shape = SHAPE if dtype == "uint8" else (3,)
    inputs = [np.full(shape, level, dtype) for request in levels for level in request]
    askers = [Asker(len(request), "10.0.0.1", authorization, time.perf_counter()) for request in levels]
    task = more.pop("task", None)
    return Group(shape, dtype, task, more.pop("probabilities", False), np.array(inputs).tobytes(), askers)


def labels(told: Told | None) -> list[Any] | None:
    return None if told is None else [label for label, _, _ in told.answers]


def model(**more: Any) -> Predictor:
    return tiny_predictor(adopted=3, examples=1200, **more)


def test_each_request_gets_the_answers_to_its_own_inputs(metrics: Metrics) -> None:
    (reply,) = answers_of(metrics, model()).reply([group([[0], [1, 2], [2]])])
    assert [labels(told) for told in reply.told] == [["zero"], ["one", 2], [2]]
    assert [told.prediction_id for told in reply.told if told] == ["run-1", "run-2", "run-3"]
    assert (reply.version, reply.route) == ("3.1200", "hippocampus")


def test_a_task_and_probabilities_are_those_of_the_group(metrics: Metrics) -> None:
    lent = answers_of(metrics, model())
    by_task, asked = lent.reply([group([[2]], task="odd"), group([[2]], probabilities=True)])
    assert [labels(told) for told in by_task.told] == [["one"]]
    assert asked.told[0] is not None and set(asked.told[0].answers[0][2]) == {"zero", "one", 2}


def test_who_asks_too_often_is_left_to_the_daemon_and_the_others_are_answered(metrics: Metrics) -> None:
    lent = answers_of(metrics, model(), requests_per_s=1.0)
    asked = group([[1], [0]])
    other = asked.askers[1]._replace(address="10.0.0.2")
    (reply,) = lent.reply([asked._replace(askers=[asked.askers[0], other])])
    assert [labels(told) for told in reply.told] == [["one"], ["zero"]]
    again = group([[1], [0], [2]])
    third = again.askers[2]._replace(address="10.0.0.3")
    (reply,) = lent.reply([again._replace(askers=[*again.askers[:2], third])])
    assert [labels(told) for told in reply.told] == [None, None, [2]]


@pytest.mark.parametrize("authorization", ["", "Bearer wrong", "s3cret"])
def test_who_may_not_ask_is_left_to_the_daemon(metrics: Metrics, authorization: str) -> None:
    lent = answers_of(metrics, model(), token="s3cret")
    (reply,) = lent.reply([group([[1]], authorization=authorization)])
    assert reply.told == [None]
    (reply,) = lent.reply([group([[1]], authorization="Bearer s3cret")])
    assert labels(reply.told[0]) == ["one"]


def test_before_there_is_a_model_all_is_left_to_the_daemon(metrics: Metrics) -> None:
    (reply,) = answers_of(metrics, None).reply([group([[1], [2]])])
    assert reply.told == [None, None]


def test_another_shape_than_the_streams_or_the_models_is_left_to_the_daemon(metrics: Metrics) -> None:
    of_stream = answers_of(metrics, model(), schema=Schema((1, 8, 8), "uint8"))
    of_model = answers_of(metrics, model(input_shape=(1, 8, 8)))
    for lent in (of_stream, of_model):
        (reply,) = lent.reply([group([[1]])])
        assert reply.told == [None]


def test_a_task_that_is_no_name_is_left_to_the_daemon(metrics: Metrics) -> None:
    (reply,) = answers_of(metrics, model()).reply([group([[1]], task="a\nb")])
    assert reply.told == [None]


def test_an_input_without_a_finite_answer_spoils_no_other_request(metrics: Metrics) -> None:
    lent = answers_of(metrics, model(input_shape=(3,), scale=1e30))
    (reply,) = lent.reply([group([[0.0], [0.0, 3e38], [0.0]], dtype="float32")])
    assert [told is None for told in reply.told] == [False, True, False]
    (reply,) = lent.reply([group([[3e38]], dtype="float32")])
    assert reply.told == [None]


def test_what_breaks_is_logged_and_left_to_the_daemon(
    metrics: Metrics, caplog: pytest.LogCaptureFixture
) -> None:
    spoilt = group([[1]])._replace(data=b"too few")
    whole = group([[1]])
    broken, good = answers_of(metrics, model()).reply([spoilt, whole])
    assert broken.told == [None] and labels(good.told[0]) == ["one"]
    assert "could not be answered" in caplog.text
