from __future__ import annotations

import base64
import copy
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from streamlearner.decoding.labels import FactorValue
from streamlearner.serving import LabelsLater, Serving
from streamlearner.state.predictions import Predictions
from tests.serving.conftest import MakeServing
from tests.support.serving_fakes import FakeDaemon, InProcess, picture, tiny_predictor

SENT: dict[str, Any] = {
    "action": "ANNOTATION_CREATED",
    "annotation": {
        "id": 1, "completed_by": 1, "was_cancelled": False, "ground_truth": False, "lead_time": 2.1,
        "result": [
            {
                "value": {"choices": ["one"]}, "id": "vF2k3", "from_name": "label", "to_name": "image",
                "type": "choices", "origin": "manual",
            }
        ],
        "draft_created_at": None, "import_id": None, "last_action": None, "task": 7, "project": 1,
    },
    "project": {"id": 1, "title": "digits", "task_number": 10, "label_config": "<View/>"},
    "task": {
        "id": 7, "data": {"image": "data:image/png;base64,AA==", "prediction_id": "run-1", "answer": "zero"},
        "is_labeled": True, "project": 1, "overlap": 1,
    },
}  # fmt: skip
"""What Label Studio 1.23 sends, less a few keys: all columns of annotation, project and task."""


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


@pytest.fixture
def asked(client: InProcess) -> InProcess:
    """A client that has predicted `run-1`."""
    client.post("/v1/predict", json={"inputs": [picture(1)]})
    return client


def region(name: str, **value: list[str]) -> dict[str, Any]:
    kind = "choices" if "choices" in value else "textarea"
    return {"type": kind, "from_name": name, "to_name": "image", "id": name, "value": value}


def sent(*result: Any, **annotation: Any) -> dict[str, Any]:
    event = copy.deepcopy(SENT)
    event["annotation"] |= annotation | ({"result": list(result)} if result else {})
    return event


def hook(client: InProcess, event: Any) -> tuple[int, str]:
    answer = client.post("/v1/label-studio", json=event)
    body = answer.json()
    return answer.status_code, str(body.get("outcome") or body)


def test_an_annotation_is_the_label_of_the_input_that_waits(asked: InProcess, daemon: FakeDaemon) -> None:
    assert hook(asked, SENT) == (202, "accepted")
    (example,) = daemon.log
    assert (example.label, example.id, example.input.tolist()) == ("one", "run-1", [picture(1)])


def test_one_sent_twice_is_learned_once_and_a_changed_one_is_told(
    asked: InProcess, daemon: FakeDaemon
) -> None:
    hook(asked, SENT)
    updated = SENT | {"action": "ANNOTATION_UPDATED"}
    assert hook(asked, updated) == (200, "duplicate")
    status, text = hook(asked, sent(region("label", choices=["zero"])) | {"action": "ANNOTATION_UPDATED"})
    assert status == 409 and 'has the label "one" already' in text
    assert len(daemon.log) == 1


def test_an_unknown_id_is_a_404_and_an_expired_one_a_410(
    asked: InProcess, predictions: Predictions, monkeypatch: pytest.MonkeyPatch
) -> None:
    unknown = copy.deepcopy(SENT)
    unknown["task"]["data"]["prediction_id"] = "run-9"
    assert hook(asked, unknown)[0] == 404
    monkeypatch.setattr(predictions, "_now_s", lambda: 200.0)
    assert hook(asked, SENT)[0] == 410


def test_a_number_is_the_class_that_has_it_and_a_new_one_can_be_written(
    asked: InProcess, daemon: FakeDaemon
) -> None:
    asked.post("/v1/predict", json={"inputs": [picture(1)]})
    hook(asked, sent(region("choice", choices=["2"])))
    second = sent(region("label", text=["a new one"]))
    second["task"]["data"]["prediction_id"] = "run-2"
    assert hook(asked, second) == (202, "accepted")
    assert [example.label for example in daemon.log] == [2, "a new one"]


def test_what_is_written_beside_a_choice_changes_nothing(asked: InProcess, daemon: FakeDaemon) -> None:
    event = sent(region("remark", text=["blurred"]), region("label", choices=["one"]))
    assert hook(asked, event) == (202, "accepted")
    assert daemon.log[0].label == "one"


def test_tags_named_as_factors_are_label_factors(
    make_serving: MakeServing, predictions: Predictions, daemon: FakeDaemon
) -> None:
    serving = make_serving(later=LabelsLater(predictions, daemon.ingest), now_s=lambda: 5.0)
    serving.refresh(tiny_predictor(labels=(FactorValue("kind", "mug"), FactorValue("angle", 90))))
    client = InProcess(serving)
    client.post("/v1/predict", json={"inputs": [picture(1), picture(2)]})
    first = sent(region("kind", choices=["cup"]), region("angle", choices=["90"]))
    first["task"]["data"]["prediction_id"] = "run-1.0"
    second = sent(region("kind", choices=["cup"]))
    second["task"]["data"]["prediction_id"] = "run-1.1"
    assert hook(client, first) == hook(client, second) == (202, "accepted")
    assert [example.label for example in daemon.log] == [{"kind": "cup", "angle": 90}, {"kind": "cup"}]


def test_a_skipped_task_and_other_events_change_nothing(asked: InProcess, daemon: FakeDaemon) -> None:
    assert hook(asked, sent(was_cancelled=True, result=[])) == (200, "ignored")
    for action in ("TASKS_CREATED", "PROJECT_UPDATED", "ANNOTATIONS_DELETED"):
        assert hook(asked, {"action": action, "tasks": []}) == (200, "ignored")
    assert daemon.log == []


def test_several_at_once_are_joined_each_by_itself(asked: InProcess, daemon: FakeDaemon) -> None:
    """As an import of annotated tasks sends them: lists, of which the tasks may be in another order."""
    asked.post("/v1/predict", json={"inputs": [picture(2)]})
    chosen = [["one"], ["zero"], ["one", "zero"], ["one"], ["one"], ["one"]]
    names = ["run-1", "run-2", "run-1", "run-9", "run-1", "run-2"]
    annotations = [
        sent(region("label", choices=each))["annotation"] | {"task": 10 + i} for i, each in enumerate(chosen)
    ]
    annotations[5]["was_cancelled"] = True
    tasks = [{"id": 10 + i, "data": {"prediction_id": name}} for i, name in enumerate(names)]
    event = {"action": "ANNOTATIONS_CREATED", "annotation": annotations, "task": tasks[::-1]}
    answer = asked.post("/v1/label-studio", json=event)
    assert (answer.status_code, answer.json()["outcome"]) == (202, "several")
    assert [each["outcome"] for each in answer.json()["each"]] == [
        "accepted", "accepted", "invalid", "unknown", "duplicate", "ignored"
    ]  # fmt: skip
    assert "has 2 values; expected one class" in answer.json()["each"][2]["reason"]
    assert [(example.id, example.label) for example in daemon.log] == [("run-1", "one"), ("run-2", "zero")]
    assert asked.post("/v1/label-studio", json=event).status_code == 200, "all were there before"


@pytest.mark.parametrize(
    ("event", "text"),
    [
        ({"action": "ANNOTATION_CREATED"}, "send its payload"),
        ({"action": "ANNOTATIONS_CREATED"}, "send its payload"),
        ({}, '"action" is missing'),
        (SENT | {"task": {"id": 7, "data": {"image": "x"}}}, "prediction_id"),
        (sent(result=[]), "no choice"),
        (sent(region("label", choices=["one", "zero"])), "has 2 values; expected one class"),
        (sent({"type": "choices"}), "annotation.result[0]"),
        (sent(region("label", choices=[""])), "0 characters"),
    ],
)
def test_what_names_no_class_is_a_400_that_says_why(
    asked: InProcess, daemon: FakeDaemon, event: Any, text: str
) -> None:
    answer = asked.post("/v1/label-studio", json=event)
    assert answer.status_code == 400
    assert text in answer.json()["error"]
    assert daemon.log == []


def test_questions_come_as_tasks_with_picture_classes_and_the_present_answer(asked: InProcess) -> None:
    (task,) = asked.get("/v1/questions", params={"format": "label-studio"}).json()
    assert task["data"]["prediction_id"] == "run-1"
    assert task["data"]["classes"] == [{"value": "zero"}, {"value": "one"}, {"value": "2"}]
    head, _, code = task["data"]["image"].partition(",")
    assert head == "data:image/png;base64"
    assert np.asarray(Image.open(io.BytesIO(base64.b64decode(code)))).tolist() == picture(1)
    (predicted,) = task["predictions"]
    assert predicted["result"] == [
        {"from_name": "label", "to_name": "image", "type": "choices", "value": {"choices": ["one"]}}
    ]
    assert 0 < predicted["score"] <= 1
