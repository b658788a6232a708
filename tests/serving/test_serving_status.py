from __future__ import annotations

import base64
import io

import pytest
import torch
from PIL import Image

from streamlearner.decoding.labels import FactorValue
from tests.support.serving_fakes import FakeDaemon, InProcess

COLOURFUL = torch.randint(0, 256, (3, 3, 6, 5), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


def test_the_daemon_s_snapshots_are_answered_as_they_are(client: InProcess) -> None:
    assert client.get("/v1/status").json() == {"examples": {"learned": 7}, "model_version": "0.7"}
    assert client.get("/v1/memory").json() == {"budget_bits": 1000, "stored_bits": {"codes": 10}}


def test_what_is_not_known_yet_is_null(client: InProcess) -> None:
    expected = {"overall": None, "by_class": {"2": 0.5, "one": None}, "matrix": [[1.0, None]]}
    assert client.get("/v1/retention").json() == expected


def test_any_text_that_came_in_can_go_out(client: InProcess, daemon: FakeDaemon) -> None:
    daemon.figures = {"last": "\ud800 \u0000 \N{PILE OF POO}"}
    assert client.get("/v1/status").json()["last"] == "\ud800 \u0000 \N{PILE OF POO}"


def test_recollections_can_be_sent_back_to_predict(client: InProcess, daemon: FakeDaemon) -> None:
    daemon.shown = [
        ("one", torch.ones(2, 1, 4, 4, dtype=torch.uint8)),
        (2, torch.full((1, 1, 4, 4), 2).byte()),
    ]
    classes = client.get("/v1/recollections").json()["recollections"]
    assert [(one["label"], len(one["inputs"])) for one in classes] == [("one", 2), (2, 1)]
    inputs = [value for one in classes for value in one["inputs"]]
    answer = client.post("/v1/predict", json={"inputs": inputs}).json()
    assert [prediction["label"] for prediction in answer["predictions"]] == ["one", "one", 2]


def test_recollections_of_a_factor_are_labelled_as_they_were_sent(
    client: InProcess, daemon: FakeDaemon
) -> None:
    daemon.shown = [(FactorValue("viewpoint", 90), torch.ones(1, 1, 4, 4, dtype=torch.uint8))]
    for query in ("", "?label=viewpoint=90"):
        (found,) = client.get(f"/v1/recollections{query}").json()["recollections"]
        assert found["label"] == {"viewpoint": 90}
    assert client.get("/v1/recollections?format=png").status_code == 200


def test_both_json_forms_are_channels_last_and_hold_the_same(client: InProcess, daemon: FakeDaemon) -> None:
    daemon.shown = [("c", COLOURFUL)]
    listed = client.get("/v1/recollections?format=lists").json()["recollections"][0]["inputs"]
    coded = client.get("/v1/recollections?format=json").json()["recollections"][0]["inputs"]
    assert coded[0]["shape"] == [6, 5, 3]
    flat = [value for row in listed[0] for pixel in row for value in pixel]
    assert bytes(flat) == base64.b64decode(coded[0]["b64"])
    assert listed[1] == COLOURFUL[1].permute(1, 2, 0).tolist()


def test_per_class_bounds_what_is_asked_of_the_daemon(client: InProcess, daemon: FakeDaemon) -> None:
    daemon.shown = [("c", COLOURFUL)]
    classes = client.get("/v1/recollections?per_class=2").json()["recollections"]
    assert len(classes[0]["inputs"]) == 2
    assert client.get("/v1/recollections?per_class=65").status_code == 400
    assert client.get("/v1/recollections?per_class=0").status_code == 400
    assert client.get("/v1/recollections?format=gif").status_code == 400


def test_one_class_can_be_asked_for(client: InProcess, daemon: FakeDaemon) -> None:
    daemon.shown = [("c", COLOURFUL), (7, COLOURFUL)]
    classes = client.get("/v1/recollections?label=7").json()["recollections"]
    assert [one["label"] for one in classes] == [7]
    assert client.get("/v1/recollections?label=8").status_code == 404


@pytest.mark.parametrize(("query", "accept"), [("?format=png", "*/*"), ("", "image/png")])
def test_the_sheet_shows_each_recollection_pixel_by_pixel(
    client: InProcess, daemon: FakeDaemon, query: str, accept: str
) -> None:
    daemon.shown = [("c", COLOURFUL), ("a label that is far too long \u2603", COLOURFUL[:1])]
    answer = client.get(f"/v1/recollections{query}", headers={"accept": accept})
    assert answer.headers["content-type"] == "image/png"
    sheet = Image.open(io.BytesIO(answer.content)).convert("RGB")
    factor = 48 // 6
    left, top = 96 + 1 * (5 * factor + 4), 4
    for x, y in ((0, 0), (4, 5), (2, 3)):
        expected = tuple(COLOURFUL[1, :, y, x].tolist())
        assert sheet.getpixel((left + x * factor + 1, top + y * factor + 1)) == expected


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_the_sheet_can_be_drawn_for_any_number_of_channels(
    client: InProcess, daemon: FakeDaemon, channels: int
) -> None:
    daemon.shown = [(n, torch.zeros(1, channels, 2, 2, dtype=torch.uint8)) for n in range(3)]
    answer = client.get("/v1/recollections?format=png")
    assert answer.status_code == 200
    assert Image.open(io.BytesIO(answer.content)).size == (96 + 8 * 52, 4 + 3 * 52)


def test_no_sheet_without_pictures(client: InProcess, daemon: FakeDaemon) -> None:
    assert client.get("/v1/recollections?format=png").status_code == 404
    assert client.get("/v1/recollections").json() == {"recollections": []}
    daemon.shown = [("c", torch.zeros(2, 5))]
    assert client.get("/v1/recollections?format=png").status_code == 409
    assert (
        client.get("/v1/recollections?format=lists").json()["recollections"][0]["inputs"] == [[0.0] * 5] * 2
    )


def test_a_learning_thread_that_is_busy_is_a_503(client: InProcess, daemon: FakeDaemon) -> None:
    daemon.stuck = True
    answer = client.get("/v1/recollections")
    assert answer.status_code == 503
    assert "within 10 s" in answer.json()["error"]


def test_recollections_never_wait_on_the_event_loop(client: InProcess, daemon: FakeDaemon) -> None:
    client.get("/v1/recollections")
    assert all(name.startswith("serving-recollections") for name in daemon.threads)
    assert daemon.threads
