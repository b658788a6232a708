from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from streamlearner.decoding.codec import Codec, Schema
from streamlearner.decoding.labels import FactorValue
from streamlearner.serving import LabelsLater, Serving
from streamlearner.state.predictions import Predictions
from streamlearner.telemetry.metrics import Metrics
from tests.serving.conftest import MakeServing
from tests.support.serving_fakes import FakeDaemon, InProcess, picture, tiny_predictor


@pytest.fixture
def predictions(tmp_path: Path) -> Iterator[Predictions]:
    found = Predictions(
        tmp_path / "predictions.sqlite", budget_bits=8_000_000, keep_s=100.0, now_s=lambda: 5.0
    )
    yield found
    found.close()


@pytest.fixture
def serving(make_serving: MakeServing, predictions: Predictions, daemon: FakeDaemon) -> Serving:
    serving = make_serving(later=LabelsLater(predictions, daemon.ingest), now_s=lambda: 5.0)
    serving.refresh(tiny_predictor(adopted=3, examples=1200))
    return serving


def label(client: InProcess, name: str, label: Any) -> tuple[int, Any]:
    answer = client.post("/v1/labels", json={"prediction_id": name, "label": label})
    return answer.status_code, answer.json().get("outcome") or answer.json()["error"]


def test_a_label_joins_the_input_that_was_predicted(client: InProcess, daemon: FakeDaemon) -> None:
    client.post("/v1/predict", json={"inputs": [picture(1)], "task": "odd"})
    assert label(client, "run-1", "two") == (202, "accepted")
    (example,) = daemon.log
    assert example.input.tolist() == [picture(1)]
    assert (example.label, example.task, example.id) == ("two", "odd", "run-1")


def test_each_input_of_a_request_has_its_own_label(client: InProcess, daemon: FakeDaemon) -> None:
    client.post("/v1/predict", json={"inputs": [picture(1), picture(2)]})
    assert label(client, "run-1.1", 2) == (202, "accepted")
    assert label(client, "run-1", 2)[0] == 404
    assert [example.input.tolist() for example in daemon.log] == [[picture(2)]]


def test_predictions_by_the_open_inference_protocol_can_be_labelled(
    client: InProcess, daemon: FakeDaemon
) -> None:
    tensor = {"name": "input", "shape": [1, 4, 4], "datatype": "UINT8", "data": picture(2)}
    answer = client.post("/v2/models/streamlearner/infer", json={"inputs": [tensor]}).json()
    assert label(client, answer["parameters"]["prediction_id"], 2) == (202, "accepted")
    assert daemon.log[0].input.tolist() == [picture(2)]


def test_a_doubled_label_is_told_and_learned_once(client: InProcess, daemon: FakeDaemon) -> None:
    client.post("/v1/predict", json={"inputs": [picture(1)]})
    assert label(client, "run-1", "one") == (202, "accepted")
    assert label(client, "run-1", "one") == (200, "duplicate")
    status, text = label(client, "run-1", "two")
    assert status == 409 and text == 'prediction "run-1" has the label "one" already'
    assert len(daemon.log) == 1


def test_an_unknown_id_is_a_404_and_an_expired_one_a_410(
    client: InProcess, predictions: Predictions, monkeypatch: pytest.MonkeyPatch, daemon: FakeDaemon
) -> None:
    assert label(client, "run-7", 2)[0] == 404
    client.post("/v1/predict", json={"inputs": [picture(1)]})
    monkeypatch.setattr(predictions, "_now_s", lambda: 200.0)
    status, text = label(client, "run-1", 2)
    assert (status, "too long, made room for newer ones, or was erased" in text) == (410, True)
    assert daemon.log == []


def test_a_log_that_is_full_takes_the_label_later(client: InProcess, daemon: FakeDaemon) -> None:
    client.post("/v1/predict", json={"inputs": [picture(1)]})
    daemon.full = True
    assert label(client, "run-1", "wrong")[0] == 429
    daemon.full = False
    assert label(client, "run-1", "right") == (202, "accepted")
    assert [example.label for example in daemon.log] == ["right"]


def test_a_label_that_was_joined_before_a_crash_is_not_joined_again(
    client: InProcess, daemon: FakeDaemon, predictions: Predictions
) -> None:
    client.post("/v1/predict", json={"inputs": [picture(1)]})
    daemon.known_ids.add("run-1")  # durable there, when the process was killed
    assert label(client, "run-1", "one") == (202, "accepted")
    assert daemon.log == []
    assert predictions.answered.document()["labelled"] == 1


def test_a_label_that_was_noted_before_a_crash_is_joined_at_the_start(
    serving: Serving, client: InProcess, daemon: FakeDaemon, predictions: Predictions
) -> None:
    client.post("/v1/predict", json={"inputs": [picture(1)]})
    predictions.claim("run-1", '"one"')
    serving.start()
    assert [example.label for example in daemon.log] == ["one"]
    assert predictions.claimed() == []


def test_many_labels_at_once_for_one_prediction_join_it_once(serving: Serving, daemon: FakeDaemon) -> None:
    InProcess(serving).post("/v1/predict", json={"inputs": [picture(1)]})
    found: list[Any] = []
    threads = [
        threading.Thread(target=lambda text=text: found.append(label(InProcess(serving), "run-1", text)[1]))
        for text in ("one", "two") * 8
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30.0)
    assert len(found) == 16 and found.count("accepted") == 1
    assert len({example.label for example in daemon.log}) == 1


@pytest.mark.parametrize(
    ("given", "right"), [("one", True), ("two", False), (1, False)], ids=["right", "wrong", "a number"]
)
def test_the_answer_that_was_given_is_counted(
    client: InProcess, predictions: Predictions, given: Any, right: bool
) -> None:
    client.post("/v1/predict", json={"inputs": [picture(1)]})
    label(client, "run-1", given)
    assert predictions.answered.document()["by_version"] == {"3": float(right)}


@pytest.mark.parametrize(
    ("given", "right"), [({"kind": "cup"}, 1.0), ({"kind": "cup", "angle": 0}, 0.0), ({"kind": "mug"}, 0.0)]
)
def test_of_factors_all_that_were_told_must_be_right(
    make_serving: MakeServing, predictions: Predictions, daemon: FakeDaemon, given: Any, right: float
) -> None:
    serving = make_serving(later=LabelsLater(predictions, daemon.ingest))
    names = (FactorValue("kind", "mug"), FactorValue("kind", "cup"), FactorValue("angle", 90))
    serving.refresh(tiny_predictor(labels=names))
    client = InProcess(serving)
    client.post("/v1/predict", json={"inputs": [picture(1)]})
    assert label(client, "run-1", given) == (202, "accepted")
    assert predictions.answered.document()["overall"] == right


def test_feature_vectors_can_be_labelled_too(
    make_serving: MakeServing, predictions: Predictions, daemon: FakeDaemon
) -> None:
    serving = make_serving(
        later=LabelsLater(predictions, daemon.ingest), codec=Codec(schema=Schema((3,), "float32"))
    )
    serving.refresh(tiny_predictor(input_shape=(3,)))
    client = InProcess(serving)
    client.post("/v1/predict", json={"inputs": [[0.5, 1.5, -2.0]]})
    assert label(client, "run-1", "one") == (202, "accepted")
    assert daemon.log[0].input.tolist() == [0.5, 1.5, -2.0]


def test_every_outcome_is_counted(client: InProcess, metrics: Metrics, predictions: Predictions) -> None:
    client.post("/v1/predict", json={"inputs": [picture(1)]})
    for name, given in (("run-1", "one"), ("run-1", "one"), ("run-1", "two"), ("x", "one")):
        label(client, name, given)
    exposed = metrics.exposition().decode()
    for outcome in ("accepted", "duplicate", "conflict", "unknown"):
        assert f'streamlearner_labels_total{{outcome="{outcome}"}} 1.0' in exposed
    assert predictions.answered.document()["labels"] == {
        "accepted": 1, "duplicate": 1, "conflict": 1, "unknown": 1, "expired": 0, "invalid": 0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({}, '"prediction_id" is missing'),
        ({"prediction_id": "run-1"}, '"label" is missing'),
        ({"prediction_id": 1, "label": 2}, "prediction_id"),
        ({"prediction_id": "run-1", "label": None}, "label is null"),
        ({"prediction_id": "run-1", "label": [1]}, "label is a list"),
        ({"prediction_id": "run-1", "lable": 1}, 'did you mean "label"?'),
    ],
)
def test_a_bad_body_is_a_400(client: InProcess, body: Any, text: str) -> None:
    answer = client.post("/v1/labels", json=body)
    assert answer.status_code == 400
    assert text in answer.json()["error"]


def test_where_no_predictions_are_kept_that_is_a_409_that_says_how_to(make_serving: MakeServing) -> None:
    serving = make_serving()
    serving.refresh(tiny_predictor())
    client = InProcess(serving)
    assert client.post("/v1/predict", json={"inputs": [picture(1)]}).status_code == 200
    status, text = label(client, "run-1", "one")
    assert status == 409 and "labels.budget_bits" in text


def test_a_disk_that_takes_nothing_holds_up_no_answer(
    client: InProcess, predictions: Predictions, caplog: pytest.LogCaptureFixture
) -> None:
    predictions.close()
    for _ in range(3):
        assert client.post("/v1/predict", json={"inputs": [picture(1)]}).status_code == 200
    assert caplog.text.count("cannot be kept for their labels") == 1
