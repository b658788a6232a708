"""The client: what it sends, and what it says where the daemon refuses, is absent or is something else."""

from __future__ import annotations

import base64
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from streamlearner.client import NO_RETRIES, Client, NoDaemon, NotADaemon, Refused, as_input
from streamlearner.client.inputs import read_input
from streamlearner.errors import StreamlearnerError
from tests.support.canned_daemon import CannedDaemon, canned_daemon


@pytest.fixture
def daemon() -> Iterator[CannedDaemon]:
    with canned_daemon() as found:
        yield found


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ADDRESS", "TOKEN", "TOKEN_FILE"):
        monkeypatch.delenv(f"STREAMLEARNER_{name}", raising=False)


def test_an_answer_is_what_the_daemon_said(daemon: CannedDaemon) -> None:
    daemon.will_answer("/v1/status", {"asleep": False})
    assert Client(daemon.address).status() == {"asleep": False}


def test_an_address_may_leave_out_the_scheme(daemon: CannedDaemon) -> None:
    daemon.will_answer("/v1/status", {})
    assert Client(daemon.address.removeprefix("http://") + "/").status() == {}


def test_the_token_goes_with_what_changes_something(daemon: CannedDaemon) -> None:
    daemon.will_answer("/v1/sleep", {"requested": "sleep"})
    Client(daemon.address, token="hunter2").sleep()
    assert [(asked.body, asked.authorization) for asked in daemon.asked] == [({}, "Bearer hunter2")]


def test_address_and_token_come_from_the_environment_where_none_is_given(
    daemon: CannedDaemon, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    daemon.will_answer("/v1/status", {})
    monkeypatch.setenv("STREAMLEARNER_ADDRESS", daemon.address)
    (tmp_path / "token").write_text("# of operators\n\nfrom-a-file\nanother\n")
    monkeypatch.setenv("STREAMLEARNER_TOKEN_FILE", str(tmp_path / "token"))
    Client().status()
    monkeypatch.setenv("STREAMLEARNER_TOKEN", "hunter2")
    Client().status()
    Client(token="given").status()
    Client(token="").status()
    asked = [each.authorization for each in daemon.asked]
    assert asked == ["Bearer from-a-file", "Bearer hunter2", "Bearer given", None]


def test_a_token_file_that_is_empty_or_absent_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STREAMLEARNER_TOKEN_FILE", str(tmp_path / "token"))
    with pytest.raises(StreamlearnerError, match=r"token: cannot be read \(No such file"):
        Client()
    (tmp_path / "token").write_text("# none\n")
    with pytest.raises(StreamlearnerError, match="token: holds no token"):
        Client()


def test_a_refusal_carries_the_daemons_own_words_and_advice(daemon: CannedDaemon) -> None:
    daemon.will_answer("/v1/examples", {"error": "the backlog is full"}, status=429, Retry_After="3")
    with pytest.raises(Refused, match="/v1/examples answered 429: the backlog is full") as caught:
        Client(daemon.address, retries=NO_RETRIES).push([])
    assert (caught.value.status, caught.value.retry_after_s, caught.value.exit_code) == (429, 3.0, 1)


def test_a_refusal_for_want_of_a_token_says_where_to_give_it(daemon: CannedDaemon) -> None:
    daemon.will_answer("/v1/sleep", {"error": "this needs a token"}, status=401)
    with pytest.raises(Refused, match="--token or STREAMLEARNER_TOKEN"):
        Client(daemon.address).sleep()


def test_something_else_on_that_port_is_not_taken_for_a_daemon(daemon: CannedDaemon) -> None:
    daemon.will_answer("/v1/status", b"<html>hello</html>")
    daemon.will_answer("/v1/memory", b"<html>gone</html>", status=502)
    with pytest.raises(NotADaemon, match="not in JSON: is --address that of a streamlearner"):
        Client(daemon.address).status()
    with pytest.raises(Refused, match="answered 502: <html>gone"):
        Client(daemon.address, retries=NO_RETRIES).memory()


def test_nobody_there_says_how_to_name_another_place() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(NoDaemon, match=r"does not answer .*refused.*STREAMLEARNER_ADDRESS"):
        Client(f"http://127.0.0.1:{port}", retries=NO_RETRIES).status()


def test_a_daemon_that_hangs_is_not_waited_for_for_ever() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(NoDaemon, match=r"nothing within 0\.2 s"):
            Client(address, timeout_s=0.2, retries=NO_RETRIES).status()


@pytest.mark.parametrize("address", ["ftp://here", "http://", "here:port", "here:99999"])
def test_an_address_that_is_none_is_refused_with_an_example(address: str) -> None:
    with pytest.raises(
        StreamlearnerError, match=r"expected http://host:port, for example http://127\.0\.0\.1"
    ):
        Client(address)


def test_a_proxy_is_not_asked_for_this_machine(daemon: CannedDaemon, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    daemon.will_answer("/v1/status", {})
    assert Client(daemon.address).status() == {}


def test_files_arrays_and_lists_become_inputs(daemon: CannedDaemon, tmp_path: Path) -> None:
    (tmp_path / "one.PNG").write_bytes(b"not looked into here")
    (tmp_path / "two.json").write_text("[[1, 2], [3, 4]]")
    daemon.will_answer("/v1/predict", {"predictions": [], "model_version": "3.5"})
    inputs = [tmp_path / "one.PNG", tmp_path / "two.json", b"bytes of a file", [[5]], np.uint8([[6]])]
    Client(daemon.address).predict(inputs, task="a", probabilities=True)
    image = base64.b64encode(b"not looked into here").decode()
    assert daemon.asked[0].body == {
        "inputs": [
            {"image": image},
            [[1, 2], [3, 4]],
            {"image": base64.b64encode(b"bytes of a file").decode()},
            [[5]],
            {"b64": "Bg==", "shape": [1, 1], "dtype": "uint8"},
        ],
        "task": "a",
        "return": ["probabilities"],
    }


@pytest.mark.parametrize(
    ("array", "dtype"),
    [
        (np.zeros((2, 3), np.uint8), "uint8"),
        (np.full((2, 3), 255, np.int64), "uint8"),
        (np.zeros((2, 3, 3)), "float32"),
        (np.arange(4), "float32"),
        (np.arange(4, dtype=">f8"), "float32"),
        (np.asfortranarray(np.arange(6.0).reshape(2, 3) / 6), "float32"),
    ],
)
def test_an_array_is_sent_as_its_values_are(array: np.ndarray, dtype: str) -> None:  # type: ignore[type-arg]
    sent = as_input(array)
    assert (sent["shape"], sent["dtype"]) == (list(array.shape), dtype)
    read = np.frombuffer(base64.b64decode(sent["b64"]), np.dtype(dtype).newbyteorder("<"))
    assert read.reshape(array.shape) == pytest.approx(np.asarray(array, float))


def test_integers_that_no_image_holds_are_refused_and_not_wrapped() -> None:
    with pytest.raises(StreamlearnerError, match="from -1 to 256; expected 0 to 255"):
        as_input(np.array([[-1, 256]]))


def test_a_file_that_is_neither_is_named_with_what_is_expected(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(StreamlearnerError, match=r"notes\.txt: expected an image .*\.png.* or JSON"):
        read_input(tmp_path / "notes.txt")
    with pytest.raises(StreamlearnerError, match=r"absent\.json: cannot be read \(No such file"):
        read_input(tmp_path / "absent.json")
    (tmp_path / "binary.json").write_bytes(json.dumps([1]).encode() + b"\xff")
    with pytest.raises(StreamlearnerError, match="or JSON that holds one input"):
        read_input(tmp_path / "binary.json")


def test_importing_it_loads_neither_torch_nor_numpy_nor_the_daemon() -> None:
    heavy = "{'torch', 'numpy', 'streamlearner.serving', 'streamlearner.app', 'fastapi'}"
    program = f"import sys, streamlearner.client; print(sorted({heavy} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("token", ["hunter2\n", "  hunter2\r\n"])
def test_a_token_may_end_with_its_line(daemon: CannedDaemon, token: str) -> None:
    daemon.will_answer("/v1/status", {})
    Client(daemon.address, token=token).status()
    assert daemon.asked[0].authorization == "Bearer hunter2"


@pytest.mark.parametrize("token", ["hunter2\nhunter3", "hunter2\x7fx", "hunter2\ud800"])
def test_a_token_that_no_header_holds_is_refused_and_not_shown(token: str) -> None:
    with pytest.raises(StreamlearnerError, match="control character") as refusal:
        Client(token=token)
    assert "hunter2" not in str(refusal.value)


def test_numbers_of_numpy_are_labels_and_ids_and_arrays_stand_in_lists(daemon: CannedDaemon) -> None:
    daemon.will_answer("/v1/examples", {"accepted": 1})
    daemon.will_answer("/v1/labels", {})
    client, seven = Client(daemon.address), np.int64(7)
    client.push([{"input": [np.float32(0.5), np.arange(2)], "label": seven, "id": seven}])  # type: ignore[typeddict-item]
    client.label("run-1", seven)  # type: ignore[arg-type]
    assert [asked.body for asked in daemon.asked] == [
        {"examples": [{"input": [0.5, [0, 1]], "label": 7, "id": 7}]},
        {"prediction_id": "run-1", "label": 7},
    ]


@pytest.mark.parametrize("value", [[1.0, float("nan")], [float("inf")], [object()], [{1, 2}]])
def test_what_no_request_can_hold_is_refused_before_it_is_sent(daemon: CannedDaemon, value: object) -> None:
    with pytest.raises(StreamlearnerError, match="cannot be sent"):
        Client(daemon.address).predict([value])
    assert not daemon.asked


@pytest.mark.parametrize(
    ("label", "text"), [(7, "7"), ("naïve & co", "naïve & co"), ({"mug": 90}, '{"mug": 90}')]
)
def test_labels_of_any_kind_are_named_in_an_address(label: Any, text: str) -> None:
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200, json={})

    client = Client(transport=httpx.MockTransport(answer))
    client.erase_label(label)
    client.recollections(label=text)
    assert [request.url.params["label"] for request in asked] == [text, text]


def test_an_id_that_is_a_number_is_erased() -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.raw_path.decode())
        return httpx.Response(200, json={})

    client = Client(transport=httpx.MockTransport(answer))
    for name in (7, "a/b c"):
        client.erase(name)
    assert asked == ["/v1/examples/7", "/v1/examples/a%2Fb%20c"]
