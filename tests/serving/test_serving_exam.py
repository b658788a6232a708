"""GET /v1/exam, /v1/confusion and /v1/rejects: what is behind a bar, a mistake, a count."""

from __future__ import annotations

import base64

from tests.serving.conftest import MakeServing
from tests.support.serving_fakes import FakeDaemon, InProcess, exam_of, picture


def test_examples_of_a_class_come_with_what_is_answered(client: InProcess) -> None:
    found = client.get("/v1/exam?label=zero").json()
    assert found["model_version"] == "3.1200"
    assert [(one["label"], one["answer"], one["right"]) for one in found["examples"]] == [
        ("zero", "zero", True), ("zero", 2, False)
    ]  # fmt: skip
    shown = found["examples"][1]["input"]
    assert (shown["shape"], shown["dtype"]) == ([4, 4], "uint8")
    assert base64.b64decode(shown["b64"]) == bytes([2] * 16)
    assert 0.0 < found["examples"][0]["probability"] <= 1.0
    assert client.post("/v1/predict", json={"inputs": [shown]}).json()["predictions"][0]["label"] == 2


def test_no_more_examples_than_asked_for_and_a_class_without_any_is_a_404(client: InProcess) -> None:
    assert len(client.get("/v1/exam?most=2").json()["examples"]) == 2
    answer = client.get("/v1/exam?label=none")
    assert answer.status_code == 404 and "no examples of a class 'none'" in answer.text
    assert client.get("/v1/exam?most=65").status_code == 400


def test_the_confusion_matrix_counts_each_answer_by_its_class(client: InProcess, daemon: FakeDaemon) -> None:
    daemon.withheld = exam_of((0, "zero"), (0, "zero"), (1, "zero"), (1, "one"), (2, "one"))
    found = client.get("/v1/confusion").json()
    assert found["labels"] == ["zero", "one", 2], "each as it was sent"
    assert found["counts"] == [[2, 1, 0], [0, 1, 1], [0, 0, 0]]


def test_there_is_no_exam_view_before_there_is_a_model(make_serving: MakeServing) -> None:
    assert InProcess(make_serving()).get("/v1/confusion").status_code == 503


def test_a_busy_learning_thread_is_a_503_that_says_when_to_try_again(
    client: InProcess, daemon: FakeDaemon
) -> None:
    daemon.stuck = True
    answer = client.get("/v1/exam")
    assert answer.status_code == 503 and answer.headers["retry-after"]
    assert client.post("/v1/predict", json={"inputs": [picture(1)]}).status_code == 200


def test_the_last_rejects_are_given_by_reason(client: InProcess, daemon: FakeDaemon) -> None:
    daemon.rejected = {"image": [{"at_s": 1.0, "where": "digits[0]@7", "detail": "no image"}]}
    assert client.get("/v1/rejects").json() == {"rejects": daemon.rejected}
