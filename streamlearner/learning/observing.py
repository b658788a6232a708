"""A batch that was grown is observed at once where it does not surprise; what does, in portions.

In a batch of 160 a class that is new, or a label that changed its meaning, would be answered wrong 160 times;
in batches of ten it is known after the first ones. Nor is a portion larger than what is served has settled
for: while accuracy still rises, or just fell, learning needs its many steps.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from streamlearner.learning.examined import Examined
from streamlearner.learning.served_accuracy import Fall
from streamlearner.learning.targets import Targets
from streamlearner.methods.base import Experience, Observation

ASKED = 32
"""Examples of a batch that are answered to see whether it surprises."""
SETTLED = 100
"""A portion is at most such a part of the answers since served accuracy last changed, up or down."""
DEVIATIONS = 2.0
"""Standard deviations of the wrong answers among as many, above which it does."""


class Observing(Examined):
    """The part of a learner that lets the method observe. `usual_batch`: targets of a batch that was not
    grown; None where none is ever grown."""

    usual_batch: int | None
    seed: int

    def observe(
        self, inputs: Tensor, targets: Targets, *, one_in: int = 1
    ) -> tuple[Observation, list[Fall], int]:
        """Learns inputs [m, *shape] with their targets [m], one in so many by optimiser steps; counts the
        answers from before it. Also the falls that they show, and how many examples got no step."""
        trained = self._share(len(targets.labels), one_in) if one_in > 1 else None
        usual, end = self.usual_batch if trained is None else None, len(targets.labels)
        observations: list[Observation] = []
        falls: list[Fall] = []
        start, most = 0, end
        while start < end:
            size = min(most, end - start, self._settled(usual) if usual else end)
            part = slice(start, start + (self._portion(inputs, targets, start, size) if usual else size))
            chosen, rate = targets.select(part), self.served.overall.rate
            observation, hits = self._observe(inputs[part], chosen, trained)
            observations.append(observation)
            falls += self._count(hits, chosen)
            start, most = part.stop, 2 * len(hits)
            if usual and (rate is None or hits.count(False) > _most_expected(len(hits), rate)):
                most = usual
        return _together(observations), falls, 0 if trained is None else _left_out(targets, trained)

    def _count(self, hits: list[bool], targets: Targets) -> list[Fall]:
        self.prequential.update(hits)
        classes = targets.labels.tolist()
        self.no_change.follow(classes)
        return self.served.update(hits, classes, name=self.labels.name, learned=self.progress.learned)

    def _observe(
        self, inputs: Tensor, targets: Targets, trained: Tensor | None
    ) -> tuple[Observation, list[bool]]:
        count = len(targets.labels) if trained is None else int(trained.sum())
        growth = max(1.0, count / self.usual_batch) if self.usual_batch else 1.0
        changing = self.served.fell_lately(self.progress.learned)
        known = self.method.classes
        observation = self.method.observe(
            Experience(inputs, targets.labels, targets.tasks, changing, targets.ids, growth, trained)
        )
        right = (observation.predicted == targets.labels) & (targets.labels < known)
        return observation, right.tolist()

    def _share(self, count: int, one_in: int) -> Tensor:
        """One in so many of `count`, [count] bool, drawn evenly by the place in the stream: a replay draws
        the same, and what else is drawn does not change."""
        rng = np.random.default_rng((self.seed, self.progress.learned))
        trained = torch.zeros(count, dtype=torch.bool)
        trained[torch.from_numpy(rng.permutation(count)[: -(-count // one_in)])] = True
        return trained

    def _settled(self, usual: int) -> int:
        """Targets of a portion, as far as what is served has settled."""
        return max(usual, self.served.overall.width // SETTLED)

    def _portion(self, inputs: Tensor, targets: Targets, start: int, size: int) -> int:
        """Targets of the next portion, at most `size`: all, where they do not surprise; else those before a
        class that is new, or fewer and fewer, down to those of a usual batch."""
        assert self.usual_batch is not None
        while size > self.usual_batch:
            new = targets.labels[start : start + size] >= self.method.classes
            if bool(new.any()):
                size = int(new.int().argmax()) or self.usual_batch
            elif self._surprises(inputs, targets, torch.arange(start, start + size, max(1, size // ASKED))):
                size = max(self.usual_batch, size // 2)
            else:
                break
        return size

    def _surprises(self, inputs: Tensor, targets: Targets, asked: Tensor) -> bool:
        """Whether more of these are answered wrong than the rate of right answers lets expect."""
        if (rate := self.served.overall.rate) is None:
            return True
        tasks = None if targets.tasks is None else targets.tasks[asked]
        answered = self.method.predict_proba(inputs[asked], tasks).argmax(1)
        return int((answered != targets.labels[asked]).sum()) > _most_expected(len(asked), rate)


def _most_expected(asked: int, rate: float) -> float:
    """Wrong answers of so many, where this share is right."""
    expected = asked * (1 - rate)
    return 1 + expected + DEVIATIONS * math.sqrt(expected * rate)


def _left_out(targets: Targets, trained: Tensor) -> int:
    """Examples none of whose targets were trained."""
    return len(torch.unique(targets.examples)) - len(torch.unique(targets.examples[trained]))


def _together(observations: list[Observation]) -> Observation:
    """Of one batch."""
    if len(observations) == 1:
        return observations[0]
    measured = [it.distortion_l1 for it in observations if it.distortion_l1 is not None]
    return replace(
        observations[-1],
        predicted=torch.cat([it.predicted for it in observations]),
        distortion_l1=measured[-1] if measured else None,
        changed=any(it.changed for it in observations),
    )
