"""Learners of parts of a stream, in one process: what each learns, and what becomes of them all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from streamlearner.bench.kit.fixture import Dataset
from streamlearner.decoding.batch import Batch
from streamlearner.learning.learner import Learner
from streamlearner.methods.base import unit_interval
from streamlearner.networks.base import Network
from streamlearner.statistics.scale import Scale

BATCH, ASKED_AT_ONCE = 10, 500


class OneScale:
    """The scale of vectors' columns that learners in one process share (`statistics.scale.SharedScale`)."""

    def __init__(self) -> None:
        self._scale: Scale | None = None

    def newest(self, columns: int) -> Scale:
        return self._scale or Scale.unknown(columns)

    def propose(self, scale: Scale) -> bool:
        self._scale = scale
        return True


def by_class(stream: Dataset, shards: int) -> list[Dataset]:
    """Each shard sees classes of its own: as many as the others, and one more where they do not divide."""
    groups = np.array_split(np.array(sorted(set(stream.labels))), shards)
    labels = np.asarray(stream.labels)
    return [stream.select(np.flatnonzero(np.isin(labels, own))) for own in groups]


def batches(stream: Dataset) -> Iterator[Batch]:
    """In the order of the stream."""
    inputs = _inputs(stream)
    for start in range(0, len(stream.labels), BATCH):
        labels = tuple(int(label) for label in stream.labels[start : start + BATCH])
        nobody = (None,) * len(labels)
        yield Batch(inputs=inputs[start : start + BATCH], labels=labels, tasks=nobody, ids=nobody)


def rounds_of(stream: Dataset, rounds: int) -> list[Dataset]:
    """So many parts of equal length, one after the other."""
    return [stream.select(part) for part in np.array_split(np.arange(len(stream.labels)), rounds)]


def slept(learner: Learner) -> None:
    """A whole sleep, while the stream waits, and after it the exam, by which is chosen who answers."""
    learner.begin_consolidation()
    while learner.consolidate(100) is None:
        pass
    learner.finish_measuring()
    learner.finish_measuring()


def accuracy(learner: Learner, test: Dataset) -> float:
    """Of who answers: the fraction of `test` that is right."""
    return _right(learner, test, lambda inputs: learner.method.predict_proba(inputs, None))


@torch.no_grad()
def network_accuracy(learner: Learner, test: Dataset) -> float:
    """Of the averaged network alone, among all classes that the learner has a name for."""
    network: Any = learner.method.hippocampus
    return _right(learner, test, lambda inputs: network.average.eval()(unit_interval(inputs)))


def _right(learner: Learner, test: Dataset, answer: Callable[[Tensor], Tensor]) -> float:
    inputs, names = _inputs(test), np.asarray(test.labels)
    known = np.array([learner.labels.label(k) for k in range(len(learner.labels))])
    said = [answer(part)[:, : len(known)].argmax(1).numpy() for part in torch.split(inputs, ASKED_AT_ONCE)]
    return float((known[np.concatenate(said)] == names).mean())


def states_alike(networks: Sequence[Network]) -> list[dict[str, Tensor]]:
    """Their states, once their heads have as many rows as the largest: those that are added are zero."""
    rows = max(network.head.rows for network in networks)
    for network in networks:
        network.head.grow(rows)
    return [network.state_dict() for network in networks]


@torch.no_grad()
def averaged(states: Sequence[Mapping[str, Tensor]], weights: Sequence[float]) -> dict[str, Tensor]:
    """The weighted mean of networks' states, number by number (McMahan et al., "Communication-efficient
    learning of deep networks from decentralized data", 2017)."""
    total = sum(weights)
    return {
        name: sum((s[name] * (w / total) for s, w in zip(states, weights, strict=True)), torch.zeros(()))
        if tensor.is_floating_point()
        else tensor
        for name, tensor in states[0].items()
    }


def _inputs(stream: Dataset) -> Tensor:
    images: Any = stream.images
    return torch.from_numpy(np.ascontiguousarray(images[:, None] if images.ndim == 3 else images))
