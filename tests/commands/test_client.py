"""The client: what it sends, and what it says where the daemon refuses, is absent or is something else."""

from __future__ import annotations

import base64
import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamlearner.commands.client import INPUTS_PER_REQUEST, Client, Refused, read_input
from streamlearner.errors import StreamlearnerError
from tests.support.canned_daemon import CannedDaemon, canned_daemon


@pytest.fixture
def daemon() -> Iterator[CannedDaemon]:
    with canned_daemon() as found:
        yield found


def test_an_answer_is_what_the_daemon_said(daemon: CannedDaemon) -> None:
    daemon.will_answer("/v1/status", {"asleep": False})
    assert Client(daemon.address).get("/v1/status") == {"asleep": False}


def test_an_address_may_leave_out_the_scheme(daemon: CannedDaemon) -> None:
    daemon.will_answer("/v1/status", {})
    assert Client(daemon.address.removeprefix("http://") + "/").get("/v1/status") == {}


def test_the_token_goes_with_what_changes_something(daemon: CannedDaemon) -> None:
    daemon.will_answer("/v1/sleep", {"requested": "sleep"})
    Client(daemon.address, token="hunter2").post("/v1/sleep", {})
    assert [(asked.body, asked.authorization) for asked in daemon.asked] == [({}, "Bearer hunter2")]


def test_a_refusal_carries_the_daemons_own_words_and_advice(daemon: CannedDaemon) -> None:
    daemon.will_answer("/v1/examples", {"error": "the backlog is full"}, status=429, Retry_After="3")
    with pytest.raises(Refused, match="/v1/examples answered 429: the backlog is full") as caught:
        Client(daemon.address).post("/v1/examples", {})
    assert (caught.value.status, caught.value.retry_after_s, caught.value.exit_code) == (429, 3.0, 1)


def test_a_refusal_for_want_of_a_token_says_where_to_give_it(daemon: CannedDaemon) -> None:
    daemon.will_answer("/v1/sleep", {"error": "this needs a token"}, status=401)
    with pytest.raises(Refused, match="--token or STREAMLEARNER_TOKEN"):
        Client(daemon.address).post("/v1/sleep", {})


def test_something_else_on_that_port_is_not_taken_for_a_daemon(daemon: CannedDaemon) -> None:
    daemon.will_answer("/v1/status", b"<html>hello</html>")
    daemon.will_answer("/v1/memory", b"<html>gone</html>", status=502)
    with pytest.raises(StreamlearnerError, match="not in JSON: is --address that of a streamlearner"):
        Client(daemon.address).get("/v1/status")
    with pytest.raises(Refused, match="answered 502: <html>gone"):
        Client(daemon.address).get("/v1/memory")


def test_nobody_there_says_how_to_name_another_place() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(StreamlearnerError, match=r"does not answer .*refused.*STREAMLEARNER_ADDRESS"):
        Client(f"http://127.0.0.1:{port}").get("/v1/status")


def test_a_daemon_that_hangs_is_not_waited_for_for_ever() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = Client(f"127.0.0.1:{listener.getsockname()[1]}", timeout_s=0.2)
        with pytest.raises(StreamlearnerError, match=r"nothing within 0\.2 s|timed out"):
            client.get("/v1/status")


@pytest.mark.parametrize("address", ["ftp://here", "http://", "here:port", "here:99999"])
def test_an_address_that_is_none_is_refused_with_an_example(address: str) -> None:
    with pytest.raises(
        StreamlearnerError, match=r"expected http://host:port, for example http://127\.0\.0\.1"
    ):
        Client(address)


def test_a_proxy_is_not_asked_for_this_machine(daemon: CannedDaemon, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    daemon.will_answer("/v1/status", {})
    assert Client(daemon.address).get("/v1/status") == {}


def test_images_and_json_become_inputs_in_the_order_of_the_files(
    daemon: CannedDaemon, tmp_path: Path
) -> None:
    (tmp_path / "one.PNG").write_bytes(b"not looked into here")
    (tmp_path / "two.json").write_text("[[1, 2], [3, 4]]")
    daemon.will_answer("/v1/predict", {"predictions": [{"label": 1}, {"label": 2}], "model_version": "3.5"})
    answer = Client(daemon.address).predict_files([tmp_path / "one.PNG", tmp_path / "two.json"], task="a")
    image = base64.b64encode(b"not looked into here").decode()
    assert daemon.asked[0].body == {"inputs": [{"image": image}, [[1, 2], [3, 4]]], "task": "a"}
    assert [found["label"] for found in answer["predictions"]] == [1, 2]


def test_many_files_are_asked_for_in_several_requests(daemon: CannedDaemon, tmp_path: Path) -> None:
    file = tmp_path / "one.json"
    file.write_text("[1]")
    sizes = [INPUTS_PER_REQUEST, 3]
    daemon.will_answer(
        "/v1/predict", *[{"predictions": [{"label": n}] * n, "model_version": "1"} for n in sizes]
    )
    answer = Client(daemon.address).predict_files([file] * sum(sizes))
    assert [len(asked.body["inputs"]) for asked in daemon.asked] == sizes
    assert len(answer["predictions"]) == sum(sizes)


def test_a_file_that_is_neither_is_named_with_what_is_expected(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(StreamlearnerError, match=r"notes\.txt: expected an image .*\.png.* or JSON"):
        read_input(tmp_path / "notes.txt")
    with pytest.raises(StreamlearnerError, match=r"absent\.json: cannot be read \(No such file"):
        read_input(tmp_path / "absent.json")
    (tmp_path / "binary.json").write_bytes(json.dumps([1]).encode() + b"\xff")
    with pytest.raises(StreamlearnerError, match="or JSON that holds one input"):
        read_input(tmp_path / "binary.json")
