"""The clients of KServe as they come from PyPI, unmodified. kserve pins versions beside ours, so that CI,
which installs from constraints.txt, has none of it: `pip install kserve` into an environment of your own runs
this."""

from __future__ import annotations

import asyncio
import base64
import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from streamlearner.serving import Serving
from tests.serving.conftest import MakeServing
from tests.support.serving_fakes import tiny_predictor

kserve = pytest.importorskip("kserve", reason="pip install kserve, into an environment of your own")
MODEL = "streamlearner"


@pytest.fixture
def serving(make_serving: MakeServing) -> Serving:
    serving = make_serving(grpc_port=0)
    serving.refresh(tiny_predictor(adopted=3, examples=1200))
    serving.start()
    return serving


def levels(*of: int) -> Any:
    return np.stack([np.full((4, 4), level, np.uint8) for level in of])


def request(array: Any, datatype: str, *, binary: bool) -> Any:
    sent = kserve.InferInput(name="input-0", shape=list(array.shape), datatype=datatype)
    sent.set_data_from_numpy(array, binary_data=binary)
    return kserve.InferRequest(model_name=MODEL, infer_inputs=[sent])


def over_rest(serving: Serving, *asked: Any) -> list[Any]:
    async def ask() -> list[Any]:
        host, port = serving.address
        config = kserve.inference_client.RESTConfig(protocol="v2")
        async with kserve.InferenceRESTClient(config) as client:
            url = f"http://{host}:{port}"
            assert await client.is_server_live(url)
            assert await client.is_server_ready(url)
            assert await client.is_model_ready(url, MODEL)
            return [await client.infer(url, each, model_name=MODEL) for each in asked]

    return asyncio.run(ask())


def over_grpc(serving: Serving, *asked: Any) -> list[Any]:
    async def ask() -> list[Any]:
        assert serving.grpc_address is not None
        host, port = serving.grpc_address
        async with kserve.InferenceGRPCClient(f"{host}:{port}") as client:
            assert await client.is_server_live()
            assert await client.is_server_ready()
            assert await client.is_model_ready(MODEL)
            return [await client.infer(each) for each in asked]

    return asyncio.run(ask())


def labels(found: Any) -> list[str]:
    label = next(output for output in found.outputs if output.name == "label")
    return [text.decode() if isinstance(text, bytes) else text for text in label.as_numpy().tolist()]


def probabilities(found: Any) -> Any:
    return next(output for output in found.outputs if output.name == "probabilities").as_numpy()


@pytest.mark.parametrize("ask", [over_rest, over_grpc], ids=["rest", "grpc"])
@pytest.mark.parametrize("binary", [True, False], ids=["raw", "values"])
def test_tensors_get_their_labels_and_probabilities(serving: Serving, ask: Any, binary: bool) -> None:
    (found,) = ask(serving, request(levels(1, 0, 2), "UINT8", binary=binary))
    assert labels(found) == ["one", "zero", "2"]
    assert probabilities(found).argmax(1).tolist() == [1, 0, 2]
    assert found.model_name == MODEL


@pytest.mark.parametrize("ask", [over_rest, over_grpc], ids=["rest", "grpc"])
def test_pictures_go_as_bytes_or_in_base64(serving: Serving, ask: Any) -> None:
    stream = io.BytesIO()
    Image.fromarray(levels(2)[0]).save(stream, format="PNG")
    raw = np.array([stream.getvalue()], dtype=object)
    text = np.array([base64.b64encode(stream.getvalue())], dtype=object)
    for found in ask(serving, request(raw, "BYTES", binary=True), request(text, "BYTES", binary=False)):
        assert labels(found) == ["2"]


def test_a_plain_mapping_is_taken_too(serving: Serving) -> None:
    sent = {"name": "input-0", "shape": [1, 4, 4], "datatype": "FP32", "data": [1 / 255] * 16}
    (found,) = over_rest(serving, {"inputs": [sent]})
    assert labels(found) == ["one"]
