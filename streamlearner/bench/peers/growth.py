"""What a step costs with many times the codes and classes, beside one with few."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from streamlearner.bench.kit.fixture import Dataset, Fixture
from streamlearner.bench.peers.loops import BATCH, Loop, ObserveAlone, learn_all, tensors_of
from streamlearner.bench.peers.turns import cpu_seconds_of

TIMES = (10, 100)
BITS_OF_AS_MANY = 69_700
"""For as many codes again, whose labels take more bits."""


def growth_ratios(
    dataset: Dataset, fixture: Fixture, settings: Mapping[str, Any], *, turns: int
) -> tuple[dict[str, float], float]:
    """Seconds of observe with so many times the codes and classes over those with few, by metric, and the
    examples a second of the latter."""
    inputs, _ = tensors_of(dataset)
    turn_examples = min(1_000, len(inputs))
    filled = {times: _filled(dataset, fixture, settings, times=times) for times in (1, *TIMES)}
    ratios: dict[int, list[float]] = {times: [] for times in TIMES}
    speed = 0.0
    for _ in range(turns):
        seconds = {
            times: cpu_seconds_of(partial(learn_all, loop, inputs[:turn_examples], labels[:turn_examples]))
            for times, (loop, labels) in filled.items()
        }
        speed = turn_examples / seconds[1]
        for times in TIMES:
            ratios[times].append(seconds[times] / seconds[1])
    named = {f"step_cost_{times}x_codes_{times}x_classes": each for times, each in ratios.items()}
    return {name: statistics.median(each) for name, each in named.items()}, speed


def _filled(
    dataset: Dataset, fixture: Fixture, settings: Mapping[str, Any], *, times: int
) -> tuple[Loop, Tensor]:
    """A method whose memory is full, with labels of so many times ten classes."""
    inputs, _ = tensors_of(dataset)
    labels = torch.arange(len(inputs)) % (10 * times)
    budget_bits = settings["memory.budget_bits"] + BITS_OF_AS_MANY * (times - 1)
    settings = {**settings, "memory.budget_bits": budget_bits}
    with fixture.daemon(settings, fixture.messages(dataset.select(np.arange(BATCH)))) as daemon:
        daemon.run()
        loop = ObserveAlone(daemon.learner.method)
    known = min(len(inputs), 10 * times)
    learn_all(loop, inputs[:known], labels[:known])
    memory, association = loop.method.memory, loop.method.association
    while not loop.method.fullness:
        for part in torch.split(torch.arange(len(inputs)), 500):
            memory.insert(association.encode(inputs[part].float() / 255), labels[part])
    return loop, labels
