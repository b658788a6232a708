from __future__ import annotations

import base64
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from streamlearner.decoding.codec import Codec, Schema
from streamlearner.decoding.labels import FactorValue
from streamlearner.methods.base import DualMemory
from streamlearner.methods.experience import Selection
from streamlearner.serving import LabelsLater, Serving
from streamlearner.state.predictions import Predictions
from streamlearner.telemetry.metrics import Metrics
from tests.serving.conftest import MakeServing
from tests.support.serving_fakes import FakeDaemon, InProcess, picture, tiny_predictor


class Clock:
    now_s = 5.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def predictions(tmp_path: Path, clock: Clock) -> Iterator[Predictions]:
    found = Predictions(tmp_path / "predictions.sqlite", budget_bits=8_000_000, keep_s=100.0, now_s=clock)
    yield found
    found.close()


@pytest.fixture
def serving(make_serving: MakeServing, predictions: Predictions, daemon: FakeDaemon, clock: Clock) -> Serving:
    serving = make_serving(later=LabelsLater(predictions, daemon.ingest), now_s=clock)
    serving.refresh(tiny_predictor(adopted=3, examples=1200))
    return serving


def leaning(level: int, *, towards: int, columns: int) -> list[list[int]]:
    """A picture of `level` whose first `columns` columns are `towards`: pictures that differ in direction."""
    return [[towards if column < columns else level for column in range(4)] for _ in range(4)]


NAMESPACE = "http://www.w3.org/2000/svg"
SURE, UNSURE = picture(1), leaning(0, towards=2, columns=1)
"""The fake method takes the mean for the class: 1 is sure, 0.5 lies between two."""


def predict(client: InProcess, *inputs: Any, task: str | None = None) -> list[str]:
    answer = client.post("/v1/predict", json={"inputs": list(inputs), "task": task}).json()
    return [one["prediction_id"] for one in answer["predictions"]]


def questions(client: InProcess, **query: Any) -> list[dict[str, Any]]:
    answer = client.get("/v1/questions", params=query)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["questions"])


def ids(found: list[dict[str, Any]]) -> list[str]:
    return [one["prediction_id"] for one in found]


def test_what_the_model_is_least_sure_of_is_asked_first(client: InProcess) -> None:
    sure, unsure = predict(client, SURE, UNSURE)
    found = questions(client)
    assert ids(found) == [unsure, sure]
    assert found[0]["uncertainty"] > found[1]["uncertainty"]
    assert ids(questions(client, n=1)) == [unsure]


def test_a_question_says_all_that_it_takes_to_answer_it(client: InProcess) -> None:
    (name,) = predict(client, UNSURE)
    document = client.get("/v1/questions").json()
    assert (document["waiting"], document["considered"]) == (1, 1)
    assert document["classes"] == ["zero", "one", 2]
    (found,) = document["questions"]
    assert found["prediction_id"] == name
    assert found["answer"]["label"] in ("zero", "one")
    assert found["answer"]["probabilities"].keys() == {"zero", "one", "2"}
    assert found["answered"] == {"label": found["answer"]["label"], "model_version": "3.1200"}
    assert (found["kept_s"], found["expires_s"]) == (5.0, 105.0)
    image = Image.open(io.BytesIO(base64.b64decode(found["input"]["image"])))
    assert np.asarray(image).tolist() == UNSURE
    assert 0 < found["score"] <= 1.3 and found["diversity"] == 1.0 and found["novelty"] is None


def test_the_present_model_answers_not_the_one_of_then(serving: Serving, client: InProcess) -> None:
    predict(client, SURE)
    serving.refresh(tiny_predictor(adopted=4, examples=1300, scale=2.0))
    (found,) = questions(client)
    assert (found["answer"]["label"], found["answered"]["label"]) == (2, "one")


def test_ten_copies_of_one_input_are_one_question(client: InProcess) -> None:
    predict(client, *[UNSURE] * 10, leaning(0, towards=2, columns=3))
    assert len(questions(client)) == 2


def test_what_was_skipped_is_not_asked_nor_what_is_like_it(client: InProcess) -> None:
    first, _copy, other = predict(client, UNSURE, UNSURE, leaning(0, towards=2, columns=3))
    assert ids(questions(client, without=[first])) == [other]


def test_a_label_ends_the_question(client: InProcess, daemon: FakeDaemon, metrics: Metrics) -> None:
    name, _ = predict(client, UNSURE, SURE)
    assert len(questions(client)) == len(questions(client)) == 2
    client.post("/v1/labels", json={"prediction_id": name, "label": "one"})
    assert len(questions(client)) == 1
    exposed = metrics.exposition().decode()
    assert 'streamlearner_questions_total{outcome="given"} 2.0' in exposed, "each is counted once"
    assert 'streamlearner_questions_total{outcome="answered"} 1.0' in exposed


def test_what_expired_is_not_asked(client: InProcess, clock: Clock) -> None:
    predict(client, UNSURE)
    clock.now_s = 106.0
    assert questions(client) == []


def test_what_is_unlike_all_recollections_is_asked_before_what_is_like_them(
    client: InProcess, daemon: FakeDaemon
) -> None:
    rows = [[2, 2, 0, 0]] * 4, [[0, 0, 2, 2]] * 4  # alike in margin
    known, new = predict(client, *rows)
    daemon.shown = [("one", torch.tensor([[rows[0]]], dtype=torch.uint8))]
    found = questions(client)
    assert ids(found) == [new, known]
    assert found[0]["novelty"] > found[1]["novelty"] == 0.0


def test_a_learning_thread_that_is_busy_keeps_no_question_back(client: InProcess, daemon: FakeDaemon) -> None:
    daemon.stuck = True
    predict(client, UNSURE)
    assert questions(client)[0]["novelty"] is None


def test_predictions_for_a_task_are_asked_with_it(client: InProcess) -> None:
    predict(client, UNSURE, task="odd")
    (found,) = questions(client)
    assert (found["task"], found["answer"]["label"]) == ("odd", "one")


def test_feature_vectors_come_as_numbers(
    make_serving: MakeServing, predictions: Predictions, daemon: FakeDaemon
) -> None:
    codec = Codec(schema=Schema((3,), "float32"))
    serving = make_serving(later=LabelsLater(predictions, daemon.ingest), codec=codec)
    serving.refresh(tiny_predictor(input_shape=(3,)))
    client = InProcess(serving)
    predict(client, [0.5, 1.5, -2.0])
    predictions._now_s = lambda: 0.0  # type: ignore[method-assign, assignment]
    predictions.waiting._now_s = lambda: 0.0
    (found,) = questions(client)
    assert found["input"] == [0.5, 1.5, -2.0]
    (task,) = client.get("/v1/questions?format=label-studio").json()
    assert task["data"]["image"].startswith("data:image/png;base64,")


def test_labels_of_factors_are_asked_by_factor(
    make_serving: MakeServing, predictions: Predictions, daemon: FakeDaemon, clock: Clock
) -> None:
    serving = make_serving(later=LabelsLater(predictions, daemon.ingest), now_s=clock)
    names = (FactorValue("kind", "mug"), FactorValue("kind", "cup"), FactorValue("angle", 90))
    serving.refresh(tiny_predictor(labels=names))
    client = InProcess(serving)
    predict(client, UNSURE)
    (found,) = questions(client)
    assert found["answer"]["probabilities"].keys() == {"kind", "angle"}


def test_inputs_of_another_shape_than_the_model_now_takes_are_left_out(
    serving: Serving, client: InProcess
) -> None:
    predict(client, UNSURE)
    serving.refresh(tiny_predictor(adopted=4, examples=1300, input_shape=(1, 5, 5)))
    document = client.get("/v1/questions").json()
    assert (document["questions"], document["waiting"], document["considered"]) == ([], 1, 0)


def test_an_empty_queue_is_no_error(client: InProcess) -> None:
    assert client.get("/v1/questions").json()["questions"] == []


def test_a_class_that_was_erased_is_not_offered_for_a_label(client: InProcess, serving: Serving) -> None:
    predictor = tiny_predictor(adopted=4, examples=1300)
    assert isinstance(predictor.method, DualMemory)
    predictor.method.erase(Selection(label=1))
    serving.refresh(predictor)
    predict(client, UNSURE)
    assert client.get("/v1/questions").json()["classes"] == ["zero", 2]


@pytest.mark.parametrize("query", ["n=0", "n=101", "n=many", "format=xml"])
def test_a_bad_parameter_is_a_400(client: InProcess, query: str) -> None:
    assert client.get(f"/v1/questions?{query}").status_code == 400


def test_where_no_predictions_are_kept_that_is_a_409_that_says_how_to(make_serving: MakeServing) -> None:
    serving = make_serving()
    serving.refresh(tiny_predictor())
    answer = InProcess(serving).get("/v1/questions")
    assert answer.status_code == 409 and "labels.budget_bits" in answer.text


def test_before_a_model_answers_that_is_a_503(
    make_serving: MakeServing, predictions: Predictions, daemon: FakeDaemon
) -> None:
    client = InProcess(make_serving(later=LabelsLater(predictions, daemon.ingest)))
    assert client.get("/v1/questions").status_code == 503


def test_the_page_runs_no_script_but_its_own_and_loads_nothing_from_elsewhere(client: InProcess) -> None:
    answer = client.get("/questions")
    policy = answer.headers["content-security-policy"]
    assert "unsafe" not in policy and policy.count("'sha256-") == 2
    assert not re.search(r"https?://|url\(|@import| style=| on[a-z]+=", answer.text.replace(NAMESPACE, ""))
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", answer.text)
    asked = set(re.findall(r'\$\("([\w-]+)"\)', answer.text))
    assert len(asked) > 10
    assert asked <= set(re.findall(r' id="([\w-]+)"', answer.text))
