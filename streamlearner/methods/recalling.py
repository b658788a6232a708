"""Which recollections are learned together with a batch, and the loss that combines both."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from streamlearner.associations.contract import Association
from streamlearner.memory.reservoir import RecollectionMemory
from streamlearner.methods.base import Experience
from streamlearner.methods.seen_classes import SeenClasses
from streamlearner.networks import by_hand
from streamlearner.networks.base import Network


class Recalled(NamedTuple):
    """Decoded inputs [m, *input_shape] with labels [m] and tasks [m] (-1: none). The first `remembered` are
    from the memory, the others coded views of new inputs."""

    inputs: Tensor
    labels: Tensor
    tasks: Tensor
    remembered: int


class Step(NamedTuple):
    """Logits [n, classes] for the new inputs and the loss, both from before one optimiser step; and the
    decoded inputs [m, *input_shape] that were learned with them."""

    logits: Tensor
    loss: float
    recollected: Tensor


class Recall:
    """Chooses what is learned together with a batch: `recollections` from the memory, and `views` of the new
    inputs, decoded from their own codes, so that a class that is alone in its batch has recollections at
    once.

    With `candidates` k > 1 each recollection is the one of k random ones with the largest loss: active
    sampling (paper 003, section 5.1, k = 10). It costs decoding and a forward pass for all k.
    """

    def __init__(self, *, recollections: int, views: int, candidates: int) -> None:
        self.recollections = recollections
        self.views = views
        self.candidates = candidates

    def __call__(
        self,
        experience: Experience,
        symbols: Tensor,
        *,
        memory: RecollectionMemory,
        association: Association,
        student: Network,
        seen_classes: SeenClasses,
    ) -> Recalled:
        """`symbols` [n, c] are the codes of the new inputs."""
        recollections = experience.items(self.recollections)
        remembered = memory.sample(recollections * self.candidates)
        views = symbols[: experience.items(self.views)]
        of_views = experience.labels.new_full((len(views),), -1)
        if experience.tasks is not None:
            of_views = experience.tasks[: len(views)]
        decoded = association.decode(torch.cat([remembered.symbols, views]))
        held = len(remembered.labels)
        old = Recalled(decoded[:held], remembered.labels, remembered.tasks, held)
        if self.candidates > 1 and held:
            old = self._hardest(old, student, seen_classes, groups=recollections)
            decoded = torch.cat([old.inputs, decoded[held:]])
        return Recalled(
            inputs=decoded,
            labels=torch.cat([old.labels, experience.labels[: len(views)]]),
            tasks=torch.cat([old.tasks, of_views]),
            remembered=old.remembered,
        )

    @torch.no_grad()
    def _hardest(
        self, old: Recalled, student: Network, seen_classes: SeenClasses, *, groups: int
    ) -> Recalled:
        """In each group of k the one with the largest loss. (A small memory gives smaller groups.)"""
        logits = student.eval()(old.inputs)[:, : seen_classes.classes]
        student.train()
        losses = F.cross_entropy(seen_classes.restricted(logits, old.tasks), old.labels, reduction="none")
        groups_of = torch.arange(len(losses)).chunk(groups)
        chosen = torch.stack([group[losses[group].argmax()] for group in groups_of])
        return Recalled(old.inputs[chosen], old.labels[chosen], old.tasks[chosen], len(chosen))


def asymmetric_cross_entropy(
    logits: Tensor,
    experience: Experience,
    old: Recalled,
    *,
    seen_classes: SeenClasses,
    targets: Tensor | None,
) -> Tensor:
    """ER-ACE (Caccia et al., 2022): mean loss of the n new plus mean loss of the m old examples, from
    `logits` [n + m, classes]. The new compete only among the classes of their batch (or task), the old among
    all.

    `targets` [m, classes], if given, are probabilities in place of the labels of the old.
    """
    n = len(experience.labels)
    loss = F.cross_entropy(_competing(logits[:n], experience, seen_classes), experience.labels)
    if not len(old.labels):
        return loss
    competing = seen_classes.restricted(logits[n:], old.tasks)
    if targets is None:
        return loss + F.cross_entropy(competing, old.labels)
    likelihood = competing.log_softmax(1).masked_fill(targets == 0, 0.0)  # 0 x infinity would be NaN
    return loss - (targets * likelihood).sum(1).mean()


def asymmetric_cross_entropy_by_hand(
    logits: Tensor, experience: Experience, old: Recalled, *, seen_classes: SeenClasses
) -> tuple[Tensor, Tensor]:
    """The same and its gradient [n + m, classes], to the bit, without autograd."""
    n = len(experience.labels)
    new = _competing(logits[:n], experience, seen_classes)
    if not len(old.labels):
        return by_hand.cross_entropy(new, experience.labels)
    competing = torch.cat([new, seen_classes.restricted(logits[n:], old.tasks)])
    return by_hand.cross_entropy(competing, torch.cat([experience.labels, old.labels]), first=n)


def _competing(new: Tensor, experience: Experience, seen_classes: SeenClasses) -> Tensor:
    """Logits of new examples, with minus infinity for classes among which they do not compete."""
    if experience.tasks is not None:
        return seen_classes.restricted(new, experience.tasks)
    absent = torch.ones(seen_classes.classes, dtype=torch.bool)
    absent[experience.labels] = False
    return new.masked_fill(absent, -torch.inf)
