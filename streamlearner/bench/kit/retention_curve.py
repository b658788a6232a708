"""Accuracy on test images: after a stream, and at even distances along it."""

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
MOST_IMAGES = 1_000
"""Tested for a point of the curve, whose standard error is then 1.6 % at most."""
POINTS = 20


def accuracy(learner: Any, test: Dataset, *, names_tasks: bool) -> float:
    """The proportion of test images that the learner's predictor gets right, their task named or not."""
    if not names_tasks or test.tasks is None:
        return count_correct(learner, to_tensor(test), test.labels) / len(test.labels)
    tasks = np.array(test.tasks)
    parts = {task: test.select(np.flatnonzero(tasks == task)) for task in dict.fromkeys(test.tasks)}
    hits = (count_correct(learner, to_tensor(part), part.labels, task=task) for task, part in parts.items())
    return sum(hits) / len(test.labels)


def count_correct(learner: Any, shown: Tensor, labels: Sequence[Label], *, task: str | None = None) -> int:
    """How many of the `shown` inputs [n, C, H, W], uint8 or float32 in [0, 1], the learner's predictor gets
    right."""
    found: list[Label] = []
    for part in torch.split(shown, ANSWER_BATCH):
        found += [answer.label for answer in learner.predictor().predict(part, task=task)]
    return sum(f == label for f, label in zip(found, labels, strict=True))


def readouts(learner: Any, test: Dataset, stream: Dataset) -> dict[str, float]:
    """Cross-validated accuracy of a linear probe on frozen features of the test images (paper 002, section
    3): `readout` over all classes; `readout_of_first` on the class that came first in the stream, which had
    the longest time to be forgotten."""
    features = torch.cat(
        [learner.method.features(part) for part in torch.split(to_tensor(test), ANSWER_BATCH)]
    )
    classes = {label: number for number, label in enumerate(dict.fromkeys(stream.labels))}
    numbers = torch.tensor([classes[label] for label in test.labels])
    hits = readout_hits(features, numbers).float()
    return {"readout": float(hits.mean()), "readout_of_first": float(hits[numbers == 0].mean())}


def to_tensor(dataset: Dataset) -> Tensor:
    """The images as [n, C, H, W] uint8, feature vectors as [n, d] float32, as the codec decodes them."""
    images = torch.from_numpy(dataset.images)
    if images.ndim == 2:
        return images
    return images[:, None] if images.ndim == 3 else images.permute(0, 3, 1, 2).contiguous()


class RetentionCurve:
    """Called between batches; at `POINTS` even distances tests on images of the classes seen so far.

    `learner` returns the learner: there is none before the first batch. `points`: (examples learned,
    accuracy). `seconds` were spent on tests, to be subtracted from the stream's time. Testing does not change
    the learner.
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
        seen = set(self.labels[:taken])
        of_seen = [i for i, label in enumerate(self.test.labels) if label in seen][:MOST_IMAGES]
        if of_seen:
            part = self.test.select(np.array(of_seen))
            value = accuracy(self.learner(), part, names_tasks=self.names_tasks)
            self.points.append((taken, round(value, 4)))
        self.seconds += time.perf_counter() - started
