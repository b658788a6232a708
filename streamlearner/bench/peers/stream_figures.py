"""What a candidate is worth on a stream: along it, after it, by class, on the newest classes."""

from __future__ import annotations

import time
from typing import NamedTuple

import torch
from torch import Tensor

from streamlearner.bench.kit.retention_curve import to_tensor
from streamlearner.bench.material.labelled_stream import LabelledStream, class_numbers
from streamlearner.bench.material.stream_comparison import ALONG, END, NEWEST, WORST_CLASS
from streamlearner.bench.peers.answering import Candidate, answer_then_learn, answers_of

NEWEST_SHARE = 0.1
"""Of the classes; nothing is measured where they were all seen in as much of the stream."""


class StreamFigures(NamedTuple):
    """Values by metric, for each way to answer (see `Candidate.ways`); seconds of answering and learning."""

    measured: dict[str, float]
    seconds: float


def along_and_after(candidate: Candidate, stream: LabelledStream) -> StreamFigures:
    """One pass in batches, each answered before its labels are learned; then the test."""
    inputs, labels = to_tensor(stream.training), torch.from_numpy(class_numbers(stream.training))
    started = time.perf_counter()
    answers = answer_then_learn(candidate, inputs, labels)
    seconds = time.perf_counter() - started
    along = {ALONG + way: share(found == labels) for way, found in answers.items()}
    return StreamFigures(along | after_stream(candidate, stream), seconds)


def all_at_once(candidate: Candidate, stream: LabelledStream) -> StreamFigures:
    """`learn` is given the whole stream with the labels as they are meant at its end; then the test."""
    meant = class_numbers(stream.training) if stream.meant is None else stream.meant
    started = time.perf_counter()
    candidate.learn(to_tensor(stream.training), torch.as_tensor(meant))
    return StreamFigures(after_stream(candidate, stream), time.perf_counter() - started)


def after_stream(candidate: Candidate, stream: LabelledStream) -> dict[str, float]:
    """{} where the stream has no test."""
    if stream.test is None:
        return {}
    inputs, labels = to_tensor(stream.test), torch.from_numpy(class_numbers(stream.test))
    return {
        metric + way: value
        for way, answer in candidate.ways().items()
        for metric, value in of_test(answers_of(answer, inputs) == labels, labels, stream).items()
    }


def of_test(correct: Tensor, labels: Tensor, stream: LabelledStream) -> dict[str, float]:
    """`correct` [n] bool with the true `labels` [n]."""
    by_class = [share(correct[labels == label]) for label in set(labels.tolist())]
    found = {END: share(correct), WORST_CLASS: min(by_class)}
    newest = newest_classes(stream)
    chosen = torch.isin(labels, torch.tensor(newest, dtype=torch.int64))
    return found | ({NEWEST: share(correct[chosen])} if bool(chosen.any()) else {})


def newest_classes(stream: LabelledStream) -> list[int]:
    """The tenth of the classes that came last; none where that was early."""
    first = stream.first_seen()
    newest = list(first)[-max(1, round(NEWEST_SHARE * len(first))) :]
    late = first[newest[0]] > NEWEST_SHARE * len(stream.training.labels)
    return newest if late else []


def share(correct: Tensor) -> float:
    return round(float(correct.double().mean()), 4)
