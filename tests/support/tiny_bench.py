"""A fixture of two tiny data sets that need no file, over real daemons."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from streamlearner.bench.assembly import build_fixture
from streamlearner.bench.kit.fixture import Dataset, Fixture, Settings
from streamlearner.stream import Source

TRAINING, TESTING = 120, 40


def dataset(name: str, train: bool, most: int | None = None) -> Dataset:
    """Ten classes of 28 x 28: a bright row each, with noise; whatever data set is asked for. But for MNIST,
    two classes make a task."""
    count = min(TRAINING if train else TESTING, most or TRAINING)
    rng = np.random.default_rng(int(train))
    labels = [number % 10 for number in range(count)]
    images = rng.integers(0, 60, (count, 28, 28), dtype=np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[2 * label + 3] = 255
    return Dataset(images, list(labels), None if name == "MNIST" else [f"task {i // 2}" for i in labels])


class TinyBench:
    """What the commands are given to build their fixture. Remembers the settings of each daemon, and is
    interrupted in the middle of the daemon after the first `daemons`."""

    def __init__(self, *, daemons: int = 1_000) -> None:
        self.daemons = daemons
        self.settings: list[Settings] = []
        self.asked: list[tuple[Path, bool]] = []

    def __call__(self, *, data: Path, download: bool) -> Fixture:
        self.asked.append((data, download))
        real = build_fixture(data=data)

        def build(settings: Settings, source: Source) -> Any:
            if len(self.settings) == self.daemons:
                raise KeyboardInterrupt
            self.settings.append(settings)
            return real.build_daemon(settings, source)

        return dataclasses.replace(real, build_daemon=build, load_dataset=dataset)
