"""The fixture that every experiment runs on: daemons built from settings as a user's are, and data sets."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamlearner.stream import Message, Source

Settings = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Dataset:
    """Images [n, H, W] or [n, H, W, C] uint8, or feature vectors [n, d] float32, with their labels (plain
    values, or mappings by factor), and, where the data set has tasks, the task of each (CIFAR-100: its coarse
    class; Omniglot: its alphabet)."""

    images: NDArray[Any]
    labels: list[Any]
    tasks: list[str] | None = None

    def select(self, indices: NDArray[np.int64]) -> Dataset:
        tasks = None if self.tasks is None else [self.tasks[i] for i in indices]
        return Dataset(self.images[indices], [self.labels[i] for i in indices], tasks)


@dataclass(frozen=True, slots=True)
class Fixture:
    """What experiments need of the product, as functions, so that tests can replace them.

    - `build_daemon(settings, source)`: a daemon from dotted settings over the defaults.
    - `build_source(messages, between=None)`: a source that holds the messages and calls `between(n)` before
      each batch, when the n messages before it were learned.
    - `build_kafka_source(messages, address)`: a source that reads them from a new topic.
    - `load_dataset(name, train, most=None)`: the training or the test half of a data set; at most `most`
      examples where only a part is needed.
    - `load_csv(name)`: the numbers of a file with one line of column names, [rows, columns] float64.
    - `build_eye(settings)`: an eye of these dotted settings.
    - `build_learner(settings, dataset)`: what a daemon of these settings would learn with, for such inputs.
    - `encode(image, label=, task=)`: a message's value and headers.
    """

    build_daemon: Callable[[Settings, Source], Any]
    build_source: Callable[..., Source]
    build_kafka_source: Callable[[list[Message], str], Source]
    load_dataset: Callable[..., Dataset]
    load_csv: Callable[[str], NDArray[np.float64]]
    encode: Callable[..., tuple[bytes, tuple[tuple[str, bytes], ...]]]
    build_eye: Callable[[Settings], Any]
    build_learner: Callable[[Settings, Dataset], Any]

    def messages(self, dataset: Dataset, *, tasks: list[str] | None = None) -> list[Message]:
        """The examples as messages, in their order."""
        made = []
        for offset, (image, label) in enumerate(zip(dataset.images, dataset.labels, strict=True)):
            value, headers = self.encode(image, label=label, task=tasks[offset] if tasks else None)
            made.append(Message(value, "bench", 0, offset, headers=headers, timestamp_ms=offset))
        return made

    @contextmanager
    def daemon(
        self, settings: Settings, messages: list[Message], *, between: Callable[[int], None] | None = None
    ) -> Iterator[Any]:
        """A daemon over these messages, with a temporary state folder. `between(n)` is called on the learning
        thread before each batch, when n messages were learned."""
        with tempfile.TemporaryDirectory(prefix="streamlearner-bench-") as folder:
            fixed = {"state_dir": folder, "serving.port": 0, "daemon.at_end": "exit"}
            source = self.build_source(messages, between=between)
            with closing(self.build_daemon(dict(settings) | fixed, source)) as daemon:
                yield daemon
