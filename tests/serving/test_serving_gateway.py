"""Busy connections are lent to the gateway: they are answered as before, and so is whatever else they ask."""

from __future__ import annotations

import http.client
import json
import socket
from pathlib import Path
from typing import IO, Any

from streamlearner.decoding.codec import Codec, Schema
from streamlearner.serving import ConnectionLimits, LabelsLater
from streamlearner.state.predictions import Predictions
from streamlearner.telemetry.metrics import Metrics
from tests.serving.conftest import MakeServing
from tests.support.lent_connections import PLAIN, Connect, ask, gateways, lend, started
from tests.support.patience import wait_until
from tests.support.serving_fakes import FakeDaemon, picture, tiny_predictor


def test_who_asks_now_and_then_stays_with_the_daemon(make_serving: MakeServing, connect: Connect) -> None:
    serving = started(make_serving)
    assert [ask(connect(serving))[0] for _ in range(5)] == [200] * 5
    assert serving.lent == 0 and not gateways()


def test_answers_of_the_gateway_are_those_of_the_daemon(make_serving: MakeServing, connect: Connect) -> None:
    serving = started(make_serving)
    status, before = ask(connect(serving), {"inputs": [picture(1), picture(2)], "return": ["probabilities"]})
    one = lend(serving, connect(serving))
    again, found = ask(one, {"inputs": [picture(1), picture(2)], "return": ["probabilities"]})
    assert (status, again, serving.lent) == (200, 200, 1)
    for answer in (before, found):
        name = answer.pop("prediction_id")
        ids = [prediction.pop("prediction_id") for prediction in answer["predictions"]]
        assert ids == [f"{name}.0", f"{name}.1"]
    assert found == before


def test_headers_of_its_answers_are_those_of_the_daemon(make_serving: MakeServing, connect: Connect) -> None:
    serving = started(make_serving)

    def headers(one: http.client.HTTPConnection) -> set[str]:
        one.request("POST", "/v1/predict", json.dumps(PLAIN), {"content-type": "application/json"})
        answer = one.getresponse()
        answer.read()
        return {f"{name}: {value}".lower() for name, value in answer.getheaders() if name.lower() not in OWN}

    OWN = ("date", "content-length")
    assert headers(lend(serving, connect(serving))) == headers(connect(serving))


REFUSED: list[Any] = [
    b"", b"{", b"[1]", {"inputs": []}, {"inputs": [[1, 2]]}, {"inputs": [picture(300)]}, {"input": []},
    {"inputs": [picture(1)], "task": 1.5}, {"inputs": [picture(1)] * 9}, {"inputs": [picture(1, side=3)]},
    {"inputs": [picture(1)], "task": "\ud800"}, {"inputs": [picture(1)], "task": 2**64},
]  # fmt: skip


def test_what_is_refused_is_refused_in_the_same_words(make_serving: MakeServing, connect: Connect) -> None:
    serving = started(make_serving, max_batch=8)
    for body in REFUSED:
        one = lend(serving, connect(serving))
        assert ask(one, body) == ask(connect(serving), body)
        assert ask(one)[0] == 200


def test_another_path_is_answered_on_the_same_connection(make_serving: MakeServing, connect: Connect) -> None:
    serving = started(make_serving)
    one = lend(serving, connect(serving))
    one.request("GET", "/livez")
    answer = one.getresponse()
    assert (answer.status, json.loads(answer.read())) == (200, {"live": True})
    assert lend(serving, one) is one


def test_a_connection_that_rests_goes_back_and_is_still_good(
    make_serving: MakeServing, connect: Connect
) -> None:
    serving = started(make_serving)
    one = lend(serving, connect(serving))
    wait_until(lambda: serving.lent == 0, "given back")
    assert ask(one)[0] == 200


def test_every_request_is_counted_once_and_named_once(
    make_serving: MakeServing, connect: Connect, metrics: Metrics
) -> None:
    serving = started(make_serving)
    one = connect(serving)
    ids = [ask(one)[1]["prediction_id"]]
    while serving.lent == 0 and len(ids) < 5_000:
        ids.append(ask(one)[1]["prediction_id"])
    ids += [ask(one)[1]["prediction_id"] for _ in range(20)]
    assert ids == [f"run-{number}" for number in range(1, len(ids) + 1)]
    one.request("GET", "/metrics")
    lines = one.getresponse().read().decode().splitlines()
    assert f'streamlearner_predictions_total{{route="hippocampus"}} {len(ids)}.0' in lines
    requests = 'streamlearner_http_requests_total{code="200",path="/v1/predict"}'
    assert f"{requests} {len(ids)}.0" in lines


def test_a_newer_model_answers_at_once(make_serving: MakeServing, connect: Connect) -> None:
    serving = started(make_serving)
    one = lend(serving, connect(serving))
    serving.refresh(tiny_predictor(adopted=4, examples=1300))
    assert ask(one)[1]["model_version"] == "4.1300"


def test_a_role_is_asked_for_by_the_gateway_too(make_serving: MakeServing, connect: Connect) -> None:
    serving = started(make_serving, token="s3cret")
    one = lend(serving, connect(serving), authorization="Bearer s3cret")
    assert ask(one, authorization="Bearer s3cret")[0] == 200
    assert serving.lent == 1
    status, found = ask(one, authorization="Bearer wrong")
    assert (status, found) == ask(connect(serving), authorization="Bearer wrong")
    assert status == 403


def test_a_proxys_client_is_the_gateways_affair_where_no_client_is_counted(
    make_serving: MakeServing, connect: Connect
) -> None:
    serving = started(make_serving)
    assert lend(serving, connect(serving), **{"x-forwarded-for": "10.0.0.1"})


def test_a_proxys_clients_that_are_counted_stay_with_the_daemon(
    make_serving: MakeServing, connect: Connect
) -> None:
    serving = started(make_serving, requests_per_s=100_000.0)
    lend(serving, connect(serving))
    wait_until(lambda: serving.lent == 0, "given back")
    one = connect(serving)
    assert {ask(one, **{"x-forwarded-for": "10.0.0.1"})[0] for _ in range(50)} == {200}
    assert serving.lent == 0


def test_another_name_of_the_daemon_is_the_daemons_affair(
    make_serving: MakeServing, connect: Connect
) -> None:
    serving = started(make_serving)
    one = lend(serving, connect(serving))
    assert ask(one, host="elsewhere.example")[0] == 421


def test_lent_connections_count_among_the_most_there_may_be(
    make_serving: MakeServing, connect: Connect
) -> None:
    serving = started(make_serving, connections=ConnectionLimits(most=2))
    both = [connect(serving) for _ in range(2)]

    def is_refused() -> bool:
        assert [ask(one)[0] for one in both] == [200, 200]
        if serving.lent < 2:
            return False
        with socket.create_connection(serving.address, timeout=30.0) as third:
            return third.recv(4096).startswith(b"HTTP/1.1 503")

    wait_until(is_refused, "refused", every_s=0.02)


def test_requests_that_come_in_pieces_or_many_at_once_are_answered_in_order(
    make_serving: MakeServing, connect: Connect
) -> None:
    serving = started(make_serving)
    one = lend(serving, connect(serving))
    assert one.sock is not None
    host, port = serving.address
    texts = [json.dumps({"inputs": [picture(level)]}).encode() for level in (0, 1, 2)]
    head = f"POST /v1/predict HTTP/1.1\r\nhost: {host}:{port}\r\ncontent-length: "
    whole = b"".join(head.encode() + b"%d\r\n\r\n" % len(text) + text for text in texts)
    for at in range(0, len(whole), 7):
        one.sock.sendall(whole[at : at + 7])
    with one.sock.makefile("rb") as answers:
        labels = [_label(answers) for _ in texts]
    assert labels == ["zero", "one", 2]


def _label(answers: IO[bytes]) -> Any:
    return _content(answers)[1]["predictions"][0]["label"]


def _content(answers: IO[bytes]) -> tuple[bytes, Any]:
    """The status and the body of the next answer."""
    head = b"".join(iter(answers.readline, b"\r\n")).lower()
    length = head.partition(b"content-length:")[2].split(b"\r\n")[0]
    return head.split()[1], json.loads(answers.read(int(length)))


def test_what_is_plain_and_what_is_not_may_come_in_one_burst(
    make_serving: MakeServing, connect: Connect
) -> None:
    serving = started(make_serving)
    one = lend(serving, connect(serving))
    assert one.sock is not None
    host = "host: {}:{}\r\n".format(*serving.address).encode()

    def post(body: bytes) -> bytes:
        return b"POST /v1/predict HTTP/1.1\r\n%scontent-length: %d\r\n\r\n%s" % (host, len(body), body)

    plain = post(json.dumps(PLAIN).encode())
    one.sock.sendall(plain * 2 + b"GET /livez HTTP/1.1\r\n" + host + b"\r\n" + plain + post(b"{") + plain)
    with one.sock.makefile("rb") as answers:
        found = [_content(answers) for _ in range(6)]
    assert [status for status, _ in found] == [b"200", b"200", b"200", b"200", b"400", b"200"]
    assert found[2][1] == {"live": True}


def test_many_ask_at_once_and_each_gets_its_own_answer(make_serving: MakeServing, connect: Connect) -> None:
    serving = started(make_serving)
    many = [lend(serving, connect(serving)) for _ in range(6)]
    for _ in range(10):
        for level, one in enumerate(many):
            one.request("POST", "/v1/predict", json.dumps({"inputs": [picture(level % 3)]}))
        found = [json.loads(one.getresponse().read())["predictions"][0]["label"] for one in many]
        assert found == ["zero", "one", 2] * 2


def test_inputs_answered_by_the_gateway_can_be_labelled(
    make_serving: MakeServing, connect: Connect, daemon: FakeDaemon, tmp_path: Path
) -> None:
    predictions = Predictions(tmp_path / "p.sqlite", budget_bits=8_000_000, keep_s=100.0, now_s=lambda: 5.0)
    serving = started(make_serving, later=LabelsLater(predictions, daemon.ingest), now_s=lambda: 5.0)
    one = lend(serving, connect(serving))
    name = ask(one, {"inputs": [picture(2)]})[1]["prediction_id"]
    assert ask(one, {"prediction_id": name, "label": "two"}, "/v1/labels")[0] == 202
    assert [example.input.tolist() for example in daemon.log] == [[picture(2)]]
    predictions.close()


def test_a_model_without_finite_answers_is_told_by_the_daemon(
    make_serving: MakeServing, connect: Connect
) -> None:
    codec = Codec(schema=Schema((3,), "float32"))
    serving = make_serving(gateway=True, codec=codec)
    serving.refresh(tiny_predictor(input_shape=(3,), scale=1e30, adopted=3, examples=1200))
    serving.start()
    one = connect(serving)
    good, bad = {"inputs": [[0.0, 0.0, 0.0]]}, {"inputs": [[3e38, 3e38, 3e38]]}

    def is_lent() -> bool:
        assert ask(one, good)[0] == 200
        return serving.lent > 0

    wait_until(is_lent, "lent", every_s=0.02)
    assert ask(one, bad) == ask(connect(serving), bad)
    assert ask(one, good)[0] == 200
