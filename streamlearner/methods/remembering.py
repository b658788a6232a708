"""What methods with a recollection memory share: what they hold, shown, and taught to another network."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Self

import torch
from torch import Tensor
from torch.nn import functional as F

from streamlearner.associations.contract import Association
from streamlearner.memory.reservoir import RecollectionMemory
from streamlearner.methods.base import DualMemory, Experience, raw
from streamlearner.networks.augmentation import Augmentation
from streamlearner.networks.base import Network
from streamlearner.networks.distillation import teach

LESSON = 64
"""Recollections in one step of teaching."""
LABEL_SHARE = 0.8
"""How much of a target is the stored label; the rest is the answer of what answers now. (MNIST, LeNet at
94.1 % to MLP, 3,000 steps, held out: 95.3 % with 0.5, 96.1 % with 1; 0 was worst, in 1,000 steps.)"""
SCALE_SAMPLE = 512
"""Recollections by which a student comes to know the scale of its inputs."""


class Remembering(DualMemory):
    """A method whose `memory` holds codes that its `association` makes and decodes, and that changes them by
    its `augmentation`, where it has one, before it learns them again."""

    association: Association
    memory: RecollectionMemory
    augmentation: Augmentation | None = None
    can_transplant = True

    def transplant(
        self, candidate: Self, *, steps: int, left: int, pace: float, generator: torch.Generator
    ) -> Iterator[None]:
        """Transfer of function (paper 003, section 5.1): the student sees decoded codes, of each class
        equally many, and nothing else.

        Differs: a target is mostly the stored label, which is right where the teacher is not; the rest is the
        teacher's probabilities (those of what answers, restricted by a named task).
        """
        student = candidate.neocortex
        assert isinstance(student, Network)
        student.head.grow(candidate.classes)
        student.meet(candidate._lesson(SCALE_SAMPLE, generator)[0])
        course = teach(
            student.requires_grad_(True).train(),
            draw=lambda n: candidate._lesson(n, generator),
            steps=left,
            batch_size=LESSON,
            learning_rate=pace * student.learning_rate,
        )
        yield from islice(course, steps)
        student.requires_grad_(False)
        student.head.weight[candidate.classes :] = 0.0  # rows without a class were taught, too: to say no
        student.head.bias[candidate.classes :] = 0.0

    def _lesson(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Recollections [n, *shape] and target probabilities [n, classes]."""
        held = self.memory.sample_balanced(n, generator)
        inputs = self.association.decode(held.symbols)
        if self.augmentation is not None:
            inputs = self.augmentation(inputs, generator=generator)
        answers = self.predict_proba(inputs, held.tasks)
        return inputs, answers.lerp(F.one_hot(held.labels, self.classes).to(answers), LABEL_SHARE)

    def _remember(self, new: Tensor, symbols: Tensor, experience: Experience, recollected: Tensor) -> None:
        """Stores the codes of the new; the association learns, and may renew itself and all codes first."""
        self.association.learn(new, recollected if len(recollected) else None)
        renewed = self.association.renew()
        if renewed is not None:
            former = self.association
            self.memory.recode(renewed.radices, lambda codes: renewed.encode(former.decode(codes)))
            self.association = renewed
            symbols = renewed.encode(new)
        self.memory.insert(symbols, experience.labels, experience.tasks)

    @torch.no_grad()
    def recollect(self, per_class: int) -> list[tuple[int, Tensor]]:
        held = self.memory.contents()
        sheets = []
        for label in sorted(set(held.labels.tolist())):
            chosen = (held.labels == label).nonzero().flatten()[:per_class]
            sheets.append((label, raw(self.association.decode(held.symbols[chosen]))))
        return sheets

    @property
    def remembered(self) -> int:
        return len(self.memory)

    def remembered_by_class(self) -> dict[int, int]:
        return self.memory.counts()

    def stored_bits(self) -> dict[str, int]:
        return {"recollections": self.memory.stored_bits}

    @property
    def fullness(self) -> int:
        return int(len(self.memory) >= self.memory.capacity)
