"""MNIST as the tests stream it: pairs of digits one after the other, each image once."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamlearner.connectors.kafka.writer import KafkaWriter
from streamlearner.decoding.codec import encode_raw
from streamlearner.decoding.inputs import wire_input
from streamlearner.stream import Message
from streamlearner.vision import torchvision as vision
from tests.support.daemon_process import DaemonProcess

DIGITS_PER_PERIOD = 2
PREDICTED_AT_ONCE = 500


class Mnist:
    """One half of MNIST, found in `root`/MNIST/raw: images [n, 28, 28] uint8, labels [n]."""

    def __init__(self, root: Path, *, train: bool) -> None:
        dataset = vision.dataset("MNIST", root=root, train=train)
        self.images: NDArray[np.uint8] = np.asarray(dataset.data)
        self.labels: NDArray[np.int64] = np.asarray(dataset.targets)

    def __len__(self) -> int:
        return len(self.labels)

    def first(self, count: int) -> Mnist:
        """Its first images alone."""
        part = copy.copy(self)
        part.images, part.labels = self.images[:count], self.labels[:count]
        return part

    def in_class_order(self, *, seed: int) -> Iterator[Message]:
        """0 and 1 shuffled together by `seed`, then 2 and 3, and so on; without tasks and ids."""
        order = np.random.default_rng(seed).permutation(len(self))
        for index in order[np.argsort(self.labels[order] // DIGITS_PER_PERIOD, kind="stable")]:
            value, headers = encode_raw(self.images[index], label=int(self.labels[index]))
            yield Message(value, "mnist", 0, int(index), headers=headers)


def produce(half: Mnist, *, seed: int, address: str, topic: str, partitions: int) -> None:
    """Writes it all over the partitions, with timestamps that rise from image to image."""
    writer = KafkaWriter(
        bootstrap_servers=address, topic=topic, partitions=partitions, client={}, start_timeout_s=30.0
    )
    try:
        now_ms = int(time.time() * 1000)
        for message in half.in_class_order(seed=seed):
            writer.write(message, now_ms=now_ms)
        writer.flush(timeout_s=60.0)
    finally:
        writer.close()


def accuracy(daemon: DaemonProcess, half: Mnist) -> float:
    """The share that the running daemon answers rightly over HTTP: what its users get."""
    right = 0
    for start in range(0, len(half), PREDICTED_AT_ONCE):
        part = slice(start, start + PREDICTED_AT_ONCE)
        inputs: list[Any] = [wire_input(image[None]) for image in half.images[part]]
        answer = daemon.ask("/v1/predict", {"inputs": inputs})
        labels = half.labels[part].tolist()
        right += sum(
            found["label"] == label for found, label in zip(answer["predictions"], labels, strict=True)
        )
    return right / len(half)
