"""What answers a stream and learns it: the contract of the candidates of `bench run streams`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

BATCH = 10
"""Examples that are answered, and then learned, at once."""
AT_ONCE = 250
"""Test inputs: a LeNet takes 2 MB for each of 128 x 128."""
NOTHING = -1
"""The answer where nothing was learned yet: no label, so that it is wrong."""


class Candidate(ABC):
    """Answers with what it has learned so far.

    Inputs are [n, C, H, W] uint8 or [n, d] float32, raw; labels [n] int64, 0 or more, of which any may be
    new. `stored_bits` counts what is kept of inputs, `parameter_bits` the rest.
    """

    stored_bits: int = 0
    parameter_bits: int = 0

    @abstractmethod
    def answer(self, inputs: Tensor) -> Tensor:
        """Labels [n]; `NOTHING` before the first was learned."""

    @abstractmethod
    def learn(self, inputs: Tensor, labels: Tensor) -> None:
        """One batch, once."""

    def finish(self) -> None:
        """Does what remains after the stream."""

    def ways(self) -> Mapping[str, Callable[[Tensor], Tensor]]:
        """All ways to answer, by what to add to the names of what is measured."""
        return {"": self.answer}


class Scoring(Candidate):
    """Scores every label, so that it can also be asked which of some labels it is."""

    @abstractmethod
    def scores(self, inputs: Tensor) -> Tensor:
        """[n, labels], -inf for a label that never came; [n, 0] before the first was learned."""

    def answer(self, inputs: Tensor) -> Tensor:
        found = self.scores(inputs)
        return found.argmax(1) if found.shape[1] else nothing(inputs)


def nothing(inputs: Tensor) -> Tensor:
    """Answers before anything was learned."""
    return torch.full((len(inputs),), NOTHING)


def answer_then_learn(candidate: Candidate, inputs: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """A whole stream in batches, each answered before its labels are learned. The answers [n], by way."""
    found: dict[str, list[Tensor]] = {way: [] for way in candidate.ways()}
    for shown, truth in zip(torch.split(inputs, BATCH), torch.split(labels, BATCH), strict=True):
        for way, answer in candidate.ways().items():
            found[way].append(answer(shown))
        candidate.learn(shown, truth)
    candidate.finish()
    return {way: torch.cat(answers) for way, answers in found.items()}


def answers_of(answer: Callable[[Tensor], Tensor], inputs: Tensor) -> Tensor:
    """Many at once, in parts that fit the memory."""
    return torch.cat([answer(part) for part in torch.split(inputs, AT_ONCE)])
