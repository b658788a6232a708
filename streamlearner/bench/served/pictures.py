"""What is learned and asked: pictures of 28 x 28, a bright row for each of ten classes, with noise."""

from __future__ import annotations

import json

import numpy as np

from streamlearner.bench.kit.fixture import Dataset

CLASSES = 10


def labelled(count: int = 1_000) -> Dataset:
    """The stream."""
    rng = np.random.default_rng(0)
    labels = [number % CLASSES for number in range(count)]
    images = rng.integers(0, 256, (count, 28, 28), dtype=np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[2 * label + 3] = 255
    return Dataset(images, list(labels))


def body() -> bytes:
    """One picture as ours and the bare handler take it: 784 numbers."""
    return json.dumps({"inputs": [labelled(1).images[0].tolist()]}).encode()


def protocol_body() -> bytes:
    """The same of the Open Inference Protocol."""
    flat = labelled(1).images[0].ravel().tolist()
    tensor = {"name": "input", "shape": [1, 28, 28], "datatype": "FP32", "data": flat}
    return json.dumps({"inputs": [tensor]}).encode()
