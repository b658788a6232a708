"""Accuracy on test pictures: at the end of a stream, and now and then along it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from streamlearner.bench.kit.fixture import Dataset
from streamlearner.evaluation.readout import readout_hits
from streamlearner.stream import Label

ANSWER_BATCH = 500
MOST_PICTURES = 1_000
"""Tested at a time; the standard error of one point is then 1.6 % at most."""
POINTS = 20


def accuracy(learner: Any, test: Dataset, *, names_tasks: bool) -> float:
    """The share of test pictures that what answers now gets right, their task told or not."""
    if not names_tasks or test.tasks is None:
        return right(learner, inputs(test), test.labels) / len(test.labels)
    tasks = np.array(test.tasks)
    parts = {task: test.select(np.flatnonzero(tasks == task)) for task in dict.fromkeys(test.tasks)}
    hits = (right(learner, inputs(part), part.labels, task=task) for task, part in parts.items())
    return sum(hits) / len(test.labels)


def right(learner: Any, shown: Tensor, labels: Sequence[Label], *, task: str | None = None) -> int:
    """How many of the inputs [n, C, H, W], uint8 or float32 in [0, 1], what answers now gets right."""
    found: list[Label] = []
    for part in torch.split(shown, ANSWER_BATCH):
        found += [answer.label for answer in learner.predictor().predict(part, task=task)]
    return sum(f == label for f, label in zip(found, labels, strict=True))


def readouts(learner: Any, test: Dataset, stream: Dataset) -> dict[str, float]:
    """What a linear probe on frozen features knows of the test pictures, by folds (paper 002, section 3):
    `readout` of all classes together, `readout_of_first` of the class that came first in the stream, among
    all classes: the one that had the longest time to be forgotten."""
    features = torch.cat([learner.method.features(part) for part in torch.split(inputs(test), ANSWER_BATCH)])
    classes = {label: number for number, label in enumerate(dict.fromkeys(stream.labels))}
    numbers = torch.tensor([classes[label] for label in test.labels])
    hits = readout_hits(features, numbers).float()
    return {"readout": float(hits.mean()), "readout_of_first": float(hits[numbers == 0].mean())}


def inputs(dataset: Dataset) -> Tensor:
    """[n, C, H, W] uint8, as the codec decodes them."""
    images = torch.from_numpy(dataset.images)
    return images[:, None] if images.ndim == 3 else images.permute(0, 3, 1, 2).contiguous()


class RetentionCurve:
    """Called between batches; at `POINTS` even distances tests on pictures of the classes met so far.

    `learner` gives the learner once there is one. `points`: (examples taken, accuracy). `seconds` is what
    the testing took, to be left out of the stream's time. Testing changes nothing in the learner.
    """

    def __init__(
        self, stream: Dataset, test: Dataset, *, names_tasks: bool, learner: Callable[[], Any]
    ) -> None:
        self.labels = stream.labels
        order = np.random.default_rng(0).permutation(len(test.labels))
        self.test = test.select(order)
        self.names_tasks = names_tasks
        self.learner = learner
        self.points: list[tuple[int, float]] = []
        self.seconds = 0.0

    def __call__(self, taken: int) -> None:
        due = len(self.labels) * (len(self.points) + 1) / POINTS
        known = self.points[-1][0] if self.points else 0
        if taken < due or taken == known:
            return
        started = time.perf_counter()
        met = set(self.labels[:taken])
        of_met = [i for i, label in enumerate(self.test.labels) if label in met][:MOST_PICTURES]
        if of_met:
            part = self.test.select(np.array(of_met))
            shown = accuracy(self.learner(), part, names_tasks=self.names_tasks)
            self.points.append((taken, round(shown, 4)))
        self.seconds += time.perf_counter() - started
