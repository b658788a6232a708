"""Memories whose holders were killed, and that were handed over, merge into a fair sample all the same."""

from __future__ import annotations

import random
from itertools import pairwise

import numpy as np
import pytest
import torch

from streamlearner.memory.reservoir import RecollectionMemory
from tests.merging.test_memories_as_one import (
    KINDS,
    SHARDS,
    Kind,
    at_once,
    memory_of,
    one_learner,
    p_equally_likely,
    p_hypergeometric,
    skewed_labels,
)
from tests.support.memories import FAIR, codes, numbers_of

RUNS = 500
LONGEST_BATCH = 16


class Holder:
    """Of a partition's memory, with its last checkpoint: all that it is, and where the stream was."""

    def __init__(self, kind: Kind, seed: int) -> None:
        self.memory = memory_of(kind, seed)
        self.at = 0
        self.kills = self.moves = 0
        self.checkpoint()

    def checkpoint(self) -> None:
        state = {name: tensor.clone() for name, tensor in self.memory.state_dict().items()}
        self._kept = state, self.at

    def go_on_from_the_checkpoint(self) -> None:
        """As the next holder does: in another process, from what was saved alone."""
        state, self.at = self._kept
        self.memory = memory_of(type(self.memory), 77)
        self.memory.load_state_dict(state)

    def live(self, labels: np.ndarray, first: int, stop: int, fate: random.Random) -> RecollectionMemory:
        """Sees the examples `first` to `stop` - 1, in batches that are others after each kill."""
        while (start := first + self.at) < stop:
            numbers = torch.arange(start, min(stop, start + fate.randint(1, LONGEST_BATCH)))
            self.memory.insert(codes(numbers), torch.from_numpy(labels)[numbers])
            self.at += len(numbers)
            happens = fate.random()
            if happens < 0.2:
                self.checkpoint()
            if happens < 0.1:
                self.moves += 1
            elif happens > 0.9:
                self.kills += 1
            if not 0.1 <= happens <= 0.9:
                self.go_on_from_the_checkpoint()
        return self.memory


@pytest.mark.parametrize("sizes", [SHARDS[0], SHARDS[-1]], ids=len)
@pytest.mark.parametrize("kind", KINDS)
def test_kills_and_hand_overs_leave_the_merged_sample_fair(kind: Kind, sizes: tuple[int, ...]) -> None:
    labels, parts = skewed_labels(sizes), list(pairwise(np.cumsum([0, *sizes]).tolist()))
    held, kills, moves = np.zeros((RUNS, len(labels)), bool), 0, 0
    for seed in range(RUNS):
        fate = random.Random(seed)
        holders = [Holder(kind, 10_000 * (nth + 1) + seed) for nth in range(len(parts))]
        shards = [holder.live(labels, *part, fate) for holder, part in zip(holders, parts, strict=True)]
        merged = at_once(shards, seed)
        numbers = numbers_of(merged.contents())
        assert len(set(numbers)) == len(numbers) and merged.seen == len(labels)
        assert merged.contents().labels.tolist() == labels[numbers].tolist()
        held[seed, numbers] = True
        kills += sum(holder.kills for holder in holders)
        moves += sum(holder.moves for holder in holders)
    assert kills > RUNS / 2 and moves > RUNS / 2
    if kind is RecollectionMemory:
        assert p_equally_likely(held) > FAIR
        first = held[:, : sizes[0]].sum(1)
        assert p_hypergeometric(first, seen=sizes[0], of=sum(sizes), drawn=held[0].sum()) > FAIR
        return
    for label, wanted in one_learner(kind, sizes).counts().items():
        of_class = held[:, labels == label]
        assert set(np.abs(of_class.sum(1) - wanted)) <= {0, 1}
        assert p_equally_likely(of_class) > FAIR
