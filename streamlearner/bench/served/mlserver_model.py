"""The folder from which MLServer serves the same network: a few lines around it."""

from __future__ import annotations

import json
import socket
from pathlib import Path

from streamlearner.bench.served.pictures import CLASSES

PATH = "/v2/models/bench/infer"
RUNTIME = f"""
import torch
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceResponse
from torch import nn


class Runtime(MLModel):
    async def load(self):
        self.network = nn.Sequential(
            nn.Conv2d(1, 32, 5), nn.MaxPool2d(2), nn.ReLU(),
            nn.Conv2d(32, 64, 5), nn.MaxPool2d(2), nn.ReLU(),
            nn.Flatten(), nn.Linear(1024, 128), nn.ReLU(), nn.Linear(128, {CLASSES}),
        ).eval()
        return True

    async def predict(self, payload):
        inputs = torch.from_numpy(NumpyCodec.decode_input(payload.inputs[0])).float()[:, None] / 255
        with torch.inference_mode():
            best = self.network(inputs).softmax(1).max(1)
        label = NumpyCodec.encode_output("label", best.indices.numpy())
        share = NumpyCodec.encode_output("probability", best.values.numpy())
        return InferenceResponse(model_name=self.name, outputs=[label, share])
"""
"""The layers of `networks.by_name.lenet`: that environment has no streamlearner."""


def write(folder: Path) -> int:
    """Writes it; the port that it is to listen on."""
    (folder / "bench_runtime.py").write_text(RUNTIME, encoding="utf-8")
    ports = [_free_port() for _ in range(3)]
    server = dict(zip(("http_port", "grpc_port", "metrics_port"), ports, strict=True))
    settings = {**server, "host": "127.0.0.1", "parallel_workers": 0, "debug": False}
    (folder / "settings.json").write_text(json.dumps(settings), encoding="utf-8")
    model = {"name": "bench", "implementation": "bench_runtime.Runtime"}
    (folder / "model-settings.json").write_text(json.dumps(model), encoding="utf-8")
    return ports[0]


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
