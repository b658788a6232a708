from __future__ import annotations

import pytest
import torch

from streamlearner.decoding.codec import Codec
from streamlearner.telemetry.metrics import Metrics
from tests.serving.conftest import MakeServing
from tests.support.serving_fakes import FakeDaemon, InProcess, picture


def example(level: int, **more: object) -> dict[str, object]:
    return {"input": picture(level), "label": level} | more


def test_examples_are_in_the_log_when_the_202_comes(client: InProcess, daemon: FakeDaemon) -> None:
    body = {"examples": [example(1, id="a", task="odd"), example(2)]}
    answer = client.post("/v1/examples", json=body)
    assert answer.status_code == 202
    assert answer.json() == {"accepted": 2, "duplicates": 0, "position": {"row": 2}}
    first, second = daemon.log
    assert (first.label, first.task, first.id) == (1, "odd", "a")
    assert (second.label, second.task, second.id) == (2, None, None)
    assert torch.equal(first.input, torch.ones(1, 4, 4, dtype=torch.uint8))


def test_an_id_that_was_accepted_before_is_a_duplicate(client: InProcess, metrics: Metrics) -> None:
    client.post("/v1/examples", json={"examples": [example(1, id="a")]})
    answer = client.post("/v1/examples", json={"examples": [example(1, id="a"), example(2, id="b")]})
    assert (answer.json()["accepted"], answer.json()["duplicates"]) == (1, 1)
    counted = [
        metrics.registry.get_sample_value("streamlearner_pushed_examples_total", {"outcome": outcome})
        for outcome in ("accepted", "duplicate")
    ]
    assert counted == [2, 1]


@pytest.mark.parametrize(
    ("bad", "text"),
    [
        ({"input": picture(1)}, '"label" is missing'),
        (example(1, lable="x"), 'did you mean "label"?'),
        (example(1) | {"label": None}, "label"),
        (example(1) | {"label": {"shape": ["cube"]}}, "factor str 'shape'"),
        (example(1) | {"label": "a\nb"}, "control"),
        (example(1, task=1.5), "task is float 1.5; expected a string or an integer"),
        (example(1, id=True), "id is bool True; expected a string or an integer"),
        (example(1, id=["a"]), "id is a list of 1; expected a string or an integer"),
        (example(1) | {"input": picture(1, side=5)}, "input is [5, 5] uint8; expected [4, 4] uint8"),
        (example(1) | {"input": [[0.5, 7.0]] * 4}, "0..1"),
        ("not an object", "expected a JSON object"),
    ],
)
def test_one_invalid_example_refuses_the_batch_and_names_its_index(
    client: InProcess, daemon: FakeDaemon, bad: object, text: str
) -> None:
    answer = client.post("/v1/examples", json={"examples": [example(1), bad, example(2)]})
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("examples[1]: ")
    assert text in answer.json()["error"]
    assert daemon.log == []


def test_the_first_batch_of_all_must_agree_with_itself(make_serving: MakeServing, daemon: FakeDaemon) -> None:
    client = InProcess(make_serving(codec=Codec()))
    answer = client.post(
        "/v1/examples", json={"examples": [example(1), example(1) | {"input": picture(1, side=5)}]}
    )
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("examples[1]: ")
    assert daemon.log == []


@pytest.mark.parametrize("count", [0, 1025])
def test_an_empty_or_overlong_batch_is_a_400(client: InProcess, count: int) -> None:
    answer = client.post("/v1/examples", json={"examples": [example(1)] * count})
    assert answer.status_code == 400
    assert f"{count} examples; expected 1 to 1024" in answer.json()["error"]


def test_a_full_backlog_is_a_429_that_says_when_to_come_back(client: InProcess, daemon: FakeDaemon) -> None:
    daemon.full = True
    answer = client.post("/v1/examples", json={"examples": [example(1)]})
    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "3"
    assert "1000 examples wait" in answer.json()["error"]


def test_a_log_that_cannot_be_written_is_a_503(client: InProcess, daemon: FakeDaemon) -> None:
    daemon.broken = True
    answer = client.post("/v1/examples", json={"examples": [example(1)]})
    assert answer.status_code == 503
    assert "no space left" in answer.json()["error"]


def test_a_daemon_with_another_source_answers_409(client: InProcess, daemon: FakeDaemon) -> None:
    daemon.push = False
    answer = client.post("/v1/examples", json={"examples": [example(1)]})
    assert answer.status_code == 409
    assert "source.type: push" in answer.json()["error"]


def test_examples_must_claim_to_be_json(client: InProcess) -> None:
    headers = {"content-type": "application/x-www-form-urlencoded"}
    answer = client.post("/v1/examples", content=b"{}", headers=headers)
    assert answer.status_code == 415


def test_a_page_of_another_site_cannot_push_examples(client: InProcess, daemon: FakeDaemon) -> None:
    body = {"examples": [example(1)]}
    foreign = client.post("/v1/examples", json=body, headers={"origin": "https://elsewhere.example"})
    assert foreign.status_code == 403
    assert daemon.log == []
    own = client.post("/v1/examples", json=body, headers={"origin": "http://testserver"})
    assert own.status_code == 202
