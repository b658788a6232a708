"""What is learned again beside the new, and how old and new compete."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from streamlearner.associations.contract import Association
from streamlearner.memory.reservoir import RecollectionMemory
from streamlearner.methods.base import Experience
from streamlearner.methods.seen_classes import Curriculum
from streamlearner.networks.base import Network


class Recalled(NamedTuple):
    """Decoded inputs [m, *input_shape] with labels [m] and tasks [m] (-1: none); the first `remembered` come
    from the memory, the rest are echoes."""

    inputs: Tensor
    labels: Tensor
    tasks: Tensor
    remembered: int


class Recall:
    """Chooses what is learned again: `recollections` from the memory and, as `echoes`, a few of the new
    inputs as their own codes show them.

    With `candidates` k above 1 each recollection is the hardest for the student of k random ones: active
    sampling (paper 003, section 5.1, k = 10). It costs a decoding and a forward pass of all k.
    """

    def __init__(self, *, recollections: int, echoes: int, candidates: int) -> None:
        self.recollections = recollections
        self.echoes = echoes
        self.candidates = candidates

    def __call__(
        self,
        experience: Experience,
        symbols: Tensor,
        *,
        memory: RecollectionMemory,
        association: Association,
        student: Network,
        curriculum: Curriculum,
    ) -> Recalled:
        """`symbols` [n, c] are the codes of the new inputs."""
        remembered = memory.sample(self.recollections * self.candidates)
        echoes = symbols[: self.echoes]
        tasks = experience.tasks if experience.tasks is not None else torch.full_like(experience.labels, -1)
        decoded = association.decode(torch.cat([remembered.symbols, echoes]))
        held = len(remembered.labels)
        old = Recalled(decoded[:held], remembered.labels, remembered.tasks, held)
        if self.candidates > 1 and held:
            old = self._hardest(old, student, curriculum)
        return Recalled(
            inputs=torch.cat([old.inputs, decoded[held:]]),
            labels=torch.cat([old.labels, experience.labels[: len(echoes)]]),
            tasks=torch.cat([old.tasks, tasks[: len(echoes)]]),
            remembered=old.remembered,
        )

    @torch.no_grad()
    def _hardest(self, old: Recalled, student: Network, curriculum: Curriculum) -> Recalled:
        """Of each k in turn the one with the largest loss (a small memory gives fewer than k)."""
        logits = student.eval()(old.inputs)[:, : curriculum.classes]
        student.train()
        losses = F.cross_entropy(curriculum.restricted(logits, old.tasks), old.labels, reduction="none")
        groups = torch.arange(len(losses)).chunk(self.recollections)
        chosen = torch.stack([group[losses[group].argmax()] for group in groups])
        return Recalled(old.inputs[chosen], old.labels[chosen], old.tasks[chosen], len(chosen))


def asymmetric_cross_entropy(
    logits: Tensor, experience: Experience, old: Recalled, *, curriculum: Curriculum, targets: Tensor | None
) -> Tensor:
    """Mean loss of the new plus mean loss of the old, from `logits` [n + m, classes]: the new compete inside
    their batch (or task), the old among all classes (ER-ACE; Caccia et al., 2022).

    `targets` [m, classes] are probabilities that stand in for the labels of the old.
    """
    n, classes = len(experience.labels), curriculum.classes
    if experience.tasks is None:
        absent = torch.ones(classes, dtype=torch.bool)
        absent[experience.labels] = False
        new = logits[:n].masked_fill(absent, -torch.inf)
    else:
        new = curriculum.restricted(logits[:n], experience.tasks)
    loss = F.cross_entropy(new, experience.labels)
    if not len(old.labels):
        return loss
    competing = curriculum.restricted(logits[n:], old.tasks)
    if targets is None:
        return loss + F.cross_entropy(competing, old.labels)
    likelihood = competing.log_softmax(1).masked_fill(targets == 0, 0.0)  # 0 x infinity is no number
    return loss - (targets * likelihood).sum(1).mean()
