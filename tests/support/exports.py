"""Learners whose answers are exported, and the files run as anybody would run them."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnxruntime
import torch
from sklearn.datasets import load_digits
from torch import Tensor

from streamlearner.app.learning import make_learner
from streamlearner.config.given import load_config
from streamlearner.decoding.batch import Batch
from streamlearner.decoding.inputs import Schema
from streamlearner.export.exported import Exported, export
from streamlearner.eyes.eye import Eye
from streamlearner.learning.learner import Learner
from streamlearner.learning.predictor import Predictor
from streamlearner.stream import Factors, Label

FAST = {"threads": 1, "precision": "fp32", "exam.fraction": 0.05, "sleep.steps": 5}


def digits(count: int) -> tuple[Tensor, list[int]]:
    """Images [n, 1, 8, 8] uint8 and their labels."""
    found = load_digits()
    images = torch.from_numpy((found.images[:count] * 15.9).astype(np.uint8))
    return images[:, None], found.target[:count].tolist()


def learned(
    inputs: Tensor,
    labels: Sequence[Label | Factors],
    *,
    tasks: Sequence[str | None] | None = None,
    eye: Eye | None = None,
    settings: dict[str, Any] | None = None,
) -> Learner:
    """One that learned these examples, in batches of ten."""
    dtype = str(inputs.dtype).removeprefix("torch.")
    config = load_config(FAST | (settings or {}))
    learner = make_learner(config, schema=Schema(shape=tuple(inputs.shape[1:]), dtype=dtype), eye=eye)
    named = tasks or [None] * len(labels)
    for start in range(0, len(inputs), 10):
        part = slice(start, start + 10)
        count = len(labels[part])
        learner.learn(Batch(inputs[part], tuple(labels[part]), tuple(named[part]), (None,) * count))
    return learner


def exported(learner: Learner, formats: Sequence[str] = ("onnx", "torch")) -> Exported:
    """What it answers now."""
    return export(learner.predictor().freeze(), formats=formats, method="any", grades={}, created=0.0)


class OnnxModel:
    """The ONNX file in onnxruntime, by what it says of itself alone."""

    def __init__(self, data: bytes) -> None:
        self.session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
        self.said = self.session.get_modelmeta().custom_metadata_map
        self.classes = json.loads(self.said["classes"])

    def probabilities(self, sent: np.ndarray[Any, Any], task: int | None = None) -> Tensor:
        """[n, classes] for inputs as one sends them."""
        given: dict[str, Any] = {"input": sent}
        if len(self.session.get_inputs()) > 1:
            given["task"] = np.full(len(sent), -1 if task is None else task, np.int64)
        return torch.from_numpy(self.session.run(["probabilities"], given)[0])


def torch_probabilities(data: bytes, sent: Tensor, task: int | None = None) -> Tensor:
    """The same of the file of torch.export."""
    program = torch.export.load(io.BytesIO(data)).module()
    with torch.inference_mode():
        given = (sent,) if task is None else (sent, torch.full((len(sent),), task))
        return program(*given)  # type: ignore[no-any-return]


def expected(predictor: Predictor, inputs: Tensor, task: str | None = None) -> Tensor:
    with torch.inference_mode():
        return predictor.predict_proba(inputs, task=task)


def assert_alike(found: Tensor, wanted: Tensor, *, edges: int = 0) -> None:
    """Probabilities within 1e-4, and the same label but where two are as probable; of all inputs but so many
    that lie on an edge where statistics round."""
    assert found.shape == wanted.shape
    near = (found - wanted).abs().amax(1) < 1e-4
    assert int((~near).sum()) <= edges
    found, wanted = found[near], wanted[near]
    best = wanted.topk(min(2, wanted.shape[1]), dim=1).values
    clear = best[:, 0] - best[:, -1] > 1e-3
    assert clear.float().mean() > 0.5, "a test of ties alone would say nothing"
    assert torch.equal(found.argmax(1)[clear], wanted.argmax(1)[clear])


def tiny_version(number: int, *, learned_more: int = 0) -> Exported:
    """A version of a learner of two classes of vectors [3]; each number answers otherwise."""
    chance = torch.Generator().manual_seed(number)
    kinds = torch.arange(40) % 2
    inputs = torch.randn(40, 3, generator=chance) + (2.0 + number) * kinds[:, None]
    learner = learned(inputs, ["low", "high"] * 20, settings={"method.name": "streaming_statistics"})
    learner.progress.version = learner.progress.newest = number
    learner.progress.learned += learned_more
    return exported(learner, ["torch"])
