"""The baseline, arm `bare_handler`: a network behind FastAPI, as its documentation would have one written."""

from __future__ import annotations

import socket
import sys
from typing import Any

import torch
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

from streamlearner.bench.served.pictures import CLASSES
from streamlearner.networks.by_name import lenet


class Query(BaseModel):
    inputs: list[list[list[int]]]


def application(*, threads: bool) -> FastAPI:
    """The handler runs in FastAPI's threads, or on its event loop."""
    network = lenet(input_shape=(1, 28, 28)).eval()
    app = FastAPI()

    def answer(query: Query) -> dict[str, Any]:
        inputs = torch.tensor(query.inputs, dtype=torch.float32)[:, None] / 255
        with torch.inference_mode():
            best = network(inputs)[:, :CLASSES].softmax(1).max(1)
        pairs = zip(best.indices.tolist(), best.values.tolist(), strict=True)
        return {"predictions": [{"label": label, "probability": share} for label, share in pairs]}

    async def answer_here(query: Query) -> dict[str, Any]:
        return answer(query)

    app.post("/v1/predict")(answer if threads else answer_here)
    return app


def main() -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    print(listening.getsockname()[1], flush=True)
    config = uvicorn.Config(application(threads=sys.argv[1] == "threads"), log_config=None, access_log=False)
    uvicorn.Server(config).run(sockets=[listening])


if __name__ == "__main__":
    main()
