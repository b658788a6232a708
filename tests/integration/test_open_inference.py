"""A daemon that learns, asked by the clients of Triton as they come from PyPI, over HTTP and gRPC."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from streamlearner.decoding.inputs import wire_input
from tests.support.daemon_process import DaemonProcess, free_port

over_http = pytest.importorskip(
    "tritonclient.http", reason="tritonclient is missing: pip install 'streamlearner[test]'"
)
over_grpc = pytest.importorskip(
    "tritonclient.grpc", reason="tritonclient is missing: pip install 'streamlearner[test]'"
)
LABELS = ("left", "middle", "right")
MODEL = "bars"


def bars(label: int, count: int) -> Any:
    """[count, 6, 6] uint8: a bright bar on noise."""
    images = np.random.default_rng(label).integers(0, 60, (count, 6, 6), dtype=np.uint8)
    images[:, :, 2 * label : 2 * label + 2] += np.uint8(180)
    return images


@pytest.fixture
def grpc_port() -> int:
    return free_port()


@pytest.fixture
def daemon(tmp_path: Path, grpc_port: int) -> Iterator[DaemonProcess]:
    settings = {
        "source": {"type": "push"},
        "memory": {"budget_bits": 20_000},
        "serving": {
            "model_name": MODEL,
            "grpc_port": grpc_port,
            "token": "secret",
            "open_roles": ["read", "teach"],
        },
    }
    daemon = DaemonProcess(tmp_path, settings).start()
    yield daemon
    daemon.close()


def test_both_clients_get_the_answers_of_v1_from_a_daemon_that_learns(
    daemon: DaemonProcess, grpc_port: int
) -> None:
    daemon.wait_until(lambda status: True)
    body = [
        {"input": wire_input(image[None]), "label": LABELS[label]}
        for label in range(3)
        for image in bars(label, 60)
    ]
    daemon.ask("/v1/examples", {"examples": body})
    daemon.wait_until(is_served)
    images = np.concatenate([bars(label, 3) for label in range(3)])
    token = {"authorization": "Bearer secret"}
    v1 = httpx.post(
        f"http://127.0.0.1:{daemon.port}/v1/predict", json={"inputs": images.tolist()}, headers=token
    ).json()
    expected = [prediction["label"] for prediction in v1["predictions"]]
    assert expected == np.repeat(LABELS, 3).tolist()
    for kind, port in ((over_http, daemon.port), (over_grpc, grpc_port)):
        with kind.InferenceServerClient(f"127.0.0.1:{port}") as client:
            assert client.is_server_live() and client.is_server_ready() and client.is_model_ready(MODEL)
            sent = kind.InferInput("input", list(images.shape), "UINT8")
            sent.set_data_from_numpy(images)
            found = client.infer(MODEL, [sent], headers=dict(token))  # one of them adds to it
            assert [label.decode() for label in found.as_numpy("label")] == expected
            assert found.as_numpy("probability") == pytest.approx(
                [prediction["probability"] for prediction in v1["predictions"]]
            )
            with pytest.raises(kind.InferenceServerException, match="role predict"):
                client.infer(MODEL, [sent])
    assert daemon.stop() == 0, daemon.tail()


def is_served(status: dict[str, Any]) -> bool:
    """All was learned, and the copy that answers is of then."""
    learned = str(status["examples"]["learned"])
    return status["messages"] >= 180 and status["model_version"].split(".")[1] == learned
