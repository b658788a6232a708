"""What methods with a recollection memory share: storing codes, showing recollections, training another
network."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import islice
from typing import Any, Self

import torch
from torch import Tensor
from torch.nn import functional as F

from streamlearner.associations.contract import Association
from streamlearner.memory.code_size import feature_bits_for, is_image
from streamlearner.memory.records import Recollections
from streamlearner.memory.reservoir import RecollectionMemory
from streamlearner.merging.fits import best_fit
from streamlearner.merging.memories import merge_memories
from streamlearner.merging.shards import Codes, Recoded
from streamlearner.methods.base import DualMemory, Experience, raw, unit_interval
from streamlearner.methods.experience import Removed, Selection
from streamlearner.networks.augmentation import Augmentation
from streamlearner.networks.base import Network
from streamlearner.networks.distillation import distill

DISTILLATION_BATCH = 64
"""Recollections in one step of a transplant."""
LABEL_WEIGHT = 0.8
"""Weight of the stored label in a target; the rest is the prediction of the method. (MNIST, from a LeNet of
94.1 % to an MLP, 3,000 steps, held out: 95.3 % with 0.5, 96.1 % with 1; 0 was worst, in 1,000 steps.)"""
ENOUGH = 4_000
"""Recollections from which on more of them are worth less than more of each."""
STATISTICS_SAMPLE = 512
"""Recollections from which a student takes its input statistics."""


class Remembering(DualMemory):
    """A method whose `memory` holds codes, which its `association` encodes and decodes. Where it has an
    `augmentation`, recollections are augmented before they are learned."""

    association: Association
    memory: RecollectionMemory
    augmentation: Augmentation | None = None
    can_transplant = True
    label_weight: float = LABEL_WEIGHT

    def transplant(
        self,
        candidate: Self,
        *,
        steps: int,
        remaining_steps: int,
        rate_factor: float,
        generator: torch.Generator,
    ) -> Iterator[None]:
        """Transfer of function (paper 003, section 5.1): the student is trained on decoded codes alone,
        equally many of each class.

        Differs: a target is mostly the stored label, which is right where the teacher errs; the rest are the
        probabilities that the method predicts, restricted by a named task.
        """
        student = candidate.neocortex
        assert isinstance(student, Network)
        student.head.grow(candidate.classes)
        if getattr(self.neocortex, "image_standardisation", None) is not None:
            student.standardise_images()
        student.update_input_statistics(candidate._distillation_batch(STATISTICS_SAMPLE, generator)[0])
        remaining = distill(
            student.requires_grad_(True).train(),
            draw=lambda n: candidate._distillation_batch(n, generator),
            steps=remaining_steps,
            batch_size=DISTILLATION_BATCH,
            learning_rate=rate_factor * student.learning_rate,
        )
        yield from islice(remaining, steps)
        student.requires_grad_(False)
        student.head.weight[candidate.classes :] = (
            0.0  # rows without a class were trained as well, as negatives
        )
        student.head.bias[candidate.classes :] = 0.0

    def rebuild_sums(self) -> None:
        """After a fresh network was taken over: of what was summed only what is remembered stays."""

    def _shown(self, held: Recollections) -> tuple[Tensor, Tensor]:
        """Recollections as raw inputs [n, *shape], and their labels [n]."""
        return raw(self.association.decode(held.symbols)), held.labels

    @torch.no_grad()
    def _merge_codes(self, given: Sequence[Codes], generator: torch.Generator) -> Recoded:
        """Codes of different fits are encoded anew by the one that suits all best; shortened, where memory
        would have no room for as many as one learner keeps that saw all."""
        suits, seen = copy.deepcopy(best_fit(given, generator)), sum(each.memory.seen for each in given)
        self.association = self._shortened(suits, coming=seen) or suits
        return merge_memories(self.memory, given, association=self.association)

    def _distillation_batch(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Recollections [n, *shape] with target probabilities [n, classes]."""
        held = self.memory.sample_balanced(n, generator)
        inputs = self.association.decode(held.symbols)
        if self.augmentation is not None:
            inputs = self.augmentation(inputs, generator=generator)
        answers = self.predict_proba(inputs, held.tasks)
        return inputs, answers.lerp(F.one_hot(held.labels, self.classes).to(answers), self.label_weight)

    def _remember(self, new: Tensor, symbols: Tensor, experience: Experience, recollected: Tensor) -> None:
        """Stores the codes of a batch. First the association learns from it, and may be renewed: then all
        codes are encoded anew."""
        self.association.learn(new, recollected if len(recollected) else None)
        former, renewed = self.association, self.association.renew()
        present = renewed or former
        if (shorter := self._shortened(present, coming=len(new))) is not None:
            present = shorter
        if present is not former:
            self.recode(present)
            symbols = present.encode(new)
        self.memory.insert(symbols, experience.labels, experience.tasks, experience.ids)

    def recode(self, present: Association) -> None:
        """All that is remembered is encoded anew by another association, which is used from now on."""
        former = self.association
        self.memory.recode(present.radices, lambda codes: present.encode(former.decode(codes)))
        self.association = present

    def erase(self, selection: Selection) -> Removed:
        super().erase(selection)
        before = len(self.memory)
        if selection.label is not None:
            self.memory.discard([selection.label])
        else:
            self.memory.erase(id=selection.id, task=selection.task)
        unnamed = 0 if selection.id is None else self.memory.without_id
        return Removed(recollections=before - len(self.memory), unnamed=unnamed)

    def _shortened(self, association: Association, *, coming: int) -> Association | None:
        """One with shorter codes, where memory has no room for all that are seen after `coming` more: for
        twice as many. Of thousands some are lost instead, and none of vectors gets much shorter than what
        retains most (`feature_bits_for`)."""
        memory, wanted = self.memory, min(self.memory.seen + coming, ENOUGH)
        fields = memory.record_bits - _bits_of(tuple(memory.radices))
        room = memory.budget_bits // 8 * 8
        if _bits_of(tuple(association.radices)) <= room // wanted - fields:
            return None
        for_twice = room // min(2 * wanted, ENOUGH) - fields
        return association.shortened(max(for_twice, self._shortest(association, room)))

    def _shortest(self, association: Association, room: int) -> float:
        """Lengths go by halves: the one that is nearest to the best has at most so many bits."""
        if is_image(association.input_shape):
            return 0.0
        (values,) = association.input_shape
        return math.sqrt(2) * feature_bits_for(values=values, room_bits=room, classes=self.classes)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        within = prefix + "association."
        names = [name.removeprefix(within) for name in state_dict if name.startswith(within)]
        self.association = self.association.restoring(names)
        super()._load_from_state_dict(state_dict, prefix, *rest)

    def recollect(self, per_class: int) -> list[tuple[int, Tensor]]:
        return self.recollecting(per_class)()

    def recollecting(self, per_class: int) -> Callable[[], list[tuple[int, Tensor]]]:
        """Codes are read now and decoded later, by the association as it is now."""
        held = [(label, found.symbols) for label, found in self.memory.by_class(per_class)]
        association = copy.deepcopy(self.association)

        @torch.no_grad()
        def decoded() -> list[tuple[int, Tensor]]:
            return [(label, raw(association.decode(symbols))) for label, symbols in held]

        return decoded

    @torch.no_grad()
    def coded(self, inputs: Tensor) -> Tensor:
        return raw(self.association.decode(self.association.encode(unit_interval(inputs))))

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


@lru_cache(maxsize=4)
def _bits_of(radices: tuple[int, ...]) -> float:
    """Asked with each batch, of hundreds of symbols."""
    return math.fsum(map(math.log2, radices))
