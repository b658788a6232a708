"""Some of the exam's examples, read on the learning thread for whoever wants to see them."""

from __future__ import annotations

import numpy as np
import torch

from streamlearner.decoding.labels import class_text
from streamlearner.learning.learner import Learner
from streamlearner.serving import ExamSample


def exam_sample(learner: Learner | None, *, label: str | None, most: int) -> ExamSample | None:
    """Up to `most`, of this class or spread over all; None where there is nothing."""
    if learner is None or not len(learner.exam):
        return None
    exam, name = learner.exam, learner.labels.label
    places = np.arange(len(exam))
    if label is not None:
        known = [
            index
            for index in range(len(learner.labels))
            if label in (learner.labels.name(index), class_text(name(index)))
        ]
        places = places[np.isin(exam.labels.numpy(), known)]
    if not len(places):
        return None
    places = places[np.linspace(0, len(places) - 1, min(most, len(places))).round().astype(int)]
    chosen = torch.from_numpy(places)
    return ExamSample(
        inputs=exam.read(places),
        labels=[name(index) for index in exam.labels[chosen].tolist()],
        tasks=exam.tasks[chosen],
        periods=exam.periods[chosen].tolist(),
    )
