"""Calls of the Open Inference Protocol's gRPC, with messages of our own definition."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from streamlearner.serving import Serving
from streamlearner.serving.open_inference.rpc_messages import SERVICE, Messages
from tests.serving.conftest import MakeServing
from tests.support.serving_fakes import tiny_predictor

grpc = pytest.importorskip("grpc", reason="grpcio is missing: pip install 'streamlearner[test]'")


MODEL = "streamlearner"


def started(make_serving: MakeServing, **settings: Any) -> Serving:
    """One that listens for gRPC, too, with a tiny model."""
    serving = make_serving(grpc_port=0, **settings)
    serving.refresh(tiny_predictor(adopted=3, examples=1200))
    serving.start()
    return serving


class Caller:
    """Calls methods with messages of our own definition."""

    def __init__(self, serving: Serving) -> None:
        assert serving.grpc_address is not None
        host, port = serving.grpc_address
        self.new = Messages().new
        self._classes = Messages().methods()
        self.channel = grpc.insecure_channel(f"{host}:{port}")

    def call(self, method: str, token: str | None = None, **fields: Any) -> Any:
        request, response = self._classes[method]
        called = self.channel.unary_unary(
            f"/{SERVICE}/{method}",
            request_serializer=request.SerializeToString,
            response_deserializer=response.FromString,
        )
        metadata = [("authorization", f"Bearer {token}")] if token else []
        return called(request(**fields), timeout=10.0, metadata=metadata)

    def refused(self, method: str, token: str | None = None, **fields: Any) -> tuple[str, str]:
        """Name of the code, and text."""
        with pytest.raises(grpc.RpcError) as raised:
            self.call(method, token, **fields)
        return raised.value.code().name, raised.value.details()


def levels(*of: int) -> Any:
    return np.stack([np.full((4, 4), level, np.uint8) for level in of])
