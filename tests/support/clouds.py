"""A stream that the nearest recollections answer best, and a method that learns it."""

from __future__ import annotations

import torch

from streamlearner.app import make_method
from streamlearner.config import loading
from streamlearner.methods.answerers import ANSWERERS
from streamlearner.methods.base import Experience
from streamlearner.methods.recollection_replay import RecollectionReplay

COLUMNS = 6
CLOUDS = torch.randn(60, COLUMNS, generator=torch.Generator().manual_seed(8))


def made() -> RecollectionReplay:
    config = loading.load(path=None, settings={"memory.budget_bits": 400_000}, environ={})
    method = make_method(config, input_shape=(COLUMNS,), dtype=torch.float32)
    assert isinstance(method, RecollectionReplay)
    return method


def batch(number: int, size: int = 10) -> Experience:
    """Small clouds anywhere, each of one of two classes."""
    chance = torch.Generator().manual_seed(number)
    cloud = torch.randint(len(CLOUDS), (size,), generator=chance)
    inputs = CLOUDS[cloud] + 0.1 * torch.randn(size, COLUMNS, generator=chance)
    return Experience(inputs, cloud % 2, ids=torch.arange(size) + 1 + number * size)


def learned(batches: int) -> RecollectionReplay:
    method = made()
    for number in range(batches):
        method.observe(batch(number))
    return method


def choose(method: RecollectionReplay) -> None:
    """Of an exam that tells nothing."""
    none = torch.zeros(0, dtype=torch.bool)
    method.choose_answerer(dict.fromkeys(method.answerers, none), torch.zeros(0, dtype=torch.int64))


def answer(method: RecollectionReplay, who: str) -> None:
    method.answering.choice[0] = ANSWERERS.index(who)
