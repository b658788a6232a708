"""Builds the fixture that experiments run on: daemons of this very code, and data sets."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from streamlearner.app.assembly import build
from streamlearner.app.files import digits
from streamlearner.app.learning import make_learner
from streamlearner.app.parts import make_eye
from streamlearner.bench.kit.fixture import Dataset, Fixture, Settings
from streamlearner.config.loading import load
from streamlearner.connectors.kafka.source import KafkaSource
from streamlearner.connectors.kafka.writer import KafkaWriter
from streamlearner.connectors.memory import MemorySource
from streamlearner.decoding.codec import Schema, encode_raw
from streamlearner.errors import ConfigError
from streamlearner.learning.learner import Learner
from streamlearner.stream import Message
from streamlearner.vision import datasets as picture_sets

DIGITS = Path("digits")
"""As a folder of data sets: those that come with scikit-learn."""


def build_fixture(*, data: Path, download: bool = False) -> Fixture:
    """The fixture over the data sets under `data`, which are downloaded there if that is allowed. `DIGITS`:
    nothing is read, scikit-learn's digits take the place of MNIST."""

    @lru_cache(maxsize=2)  # training and test half, from trial to trial
    def load_dataset(name: str, train: bool, most: int | None = None) -> Dataset:
        if data == DIGITS:
            return digits_for(name, train=train, most=most)
        try:
            found = picture_sets.read(name, folder=data, train=train, download=download, most=most)
        except ConfigError as error:
            instead = f"; or take scikit-learn's digits in its place: --data {DIGITS}"
            raise ConfigError(f"{error}{instead if name == 'MNIST' else ''}") from error
        return Dataset(found.images, list(found.labels), found.groups)

    def load_csv(name: str) -> NDArray[np.float64]:
        path = data / name
        if not path.is_file():
            raise ConfigError(f"there is no {path}; expected comma-separated numbers under a line of names")
        return np.loadtxt(path, delimiter=",", skiprows=1)

    return Fixture(
        build_daemon=lambda settings, source: build(
            load(path=None, settings=settings, environ={}), source=source
        ),
        build_source=MonitoredSource,
        build_kafka_source=_new_topic,
        load_dataset=load_dataset,
        load_csv=load_csv,
        encode=encode_raw,
        build_learner=_new_learner,
        build_eye=lambda settings: make_eye(load(path=None, settings=settings, environ={})),
    )


def digits_for(name: str, *, train: bool, most: int | None) -> Dataset:
    """Scikit-learn's 1,797 digits of 8 x 8, as large as those of MNIST: every fifth is of the test half.
    Raises ConfigError for another data set."""
    if name != "MNIST":
        raise ConfigError(f"--data {DIGITS} takes the place of MNIST alone; this experiment reads {name}")
    found = digits()
    half = [i for i in range(len(found)) if (i % 5 > 0) == train]
    rows = [half[i] for i in picture_sets.spread(len(half), most)]
    images = [Image.fromarray(found.images[i]).resize((28, 28), Image.Resampling.BILINEAR) for i in rows]
    return Dataset(np.stack([np.asarray(image) for image in images]), [found.targets[i] for i in rows])


class MonitoredSource(MemorySource):
    """Messages in memory; `between(n)` is called before each poll, when n messages were polled. A daemon
    polls a whole batch at a time, after it has learned the one before, so all n were learned."""

    def __init__(self, messages: list[Message], *, between: Callable[[int], None] | None = None) -> None:
        super().__init__(messages)
        self.between = between

    def poll(self, max_messages: int, timeout_s: float) -> list[Message]:
        if self.between is not None:
            self.between(self.position["index"])
        return super().poll(max_messages, timeout_s)


def _new_learner(settings: Settings, dataset: Dataset) -> Learner:
    shape, dtype = dataset.images.shape[1:], dataset.images.dtype.name
    schema = Schema(shape=(1, *shape) if len(shape) == 2 else tuple(shape), dtype=dtype)
    return make_learner(load(path=None, settings=settings, environ={}), schema=schema)


def _new_topic(messages: list[Message], bootstrap_servers: str) -> KafkaSource:
    """A source over a topic of its own, which holds the messages."""
    topic = f"streamlearner-bench-{uuid.uuid4().hex[:8]}"
    writer = KafkaWriter(
        bootstrap_servers=bootstrap_servers, topic=topic, partitions=4, client={}, start_timeout_s=30.0
    )
    for message in messages:
        writer.write(message, now_ms=int(time.time() * 1000))
    writer.flush(timeout_s=120.0)
    writer.close()
    return KafkaSource(bootstrap_servers=bootstrap_servers, topic=topic)
