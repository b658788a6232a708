"""The loops that the daemon is compared with do the work that it did, and no other."""

from __future__ import annotations

import torch
from torch import Tensor

from streamlearner.bench.peers.loops import learn_as
from streamlearner.bench.peers.turns import Taken


class Recording:
    def __init__(self) -> None:
        self.learned: list[tuple[list[int], int]] = []

    def step(self, inputs: Tensor, labels: Tensor, *, steps: int = 1) -> None:
        assert len(inputs) == len(labels)
        self.learned.append((labels.tolist(), steps))


def test_a_loop_learns_batches_as_large_as_the_daemons_in_as_many_steps() -> None:
    loop, labels = Recording(), torch.arange(6)
    learn_as(loop, torch.zeros(6, 2), labels, [Taken(2, 1), Taken(0, 1), Taken(3, 2)])
    assert loop.learned == [([0, 1], 1), ([2, 3, 4], 2)]
