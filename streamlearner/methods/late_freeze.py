"""Freezes its own lower half after a while, recodes the memory through it, and goes on in features.

After REMIND (Hayes et al., 2020) and SIESTA (Harun et al., 2023), which freeze the lower half of a network
that was taught a base of classes in advance.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Self

import torch
from torch import Tensor, nn

from streamlearner.associations.contract import Association
from streamlearner.associations.vector import VectorAssociation
from streamlearner.evaluation.plateau import Plateau
from streamlearner.memory.code_size import LEAST_FEATURE_BITS, code_bits_for
from streamlearner.merging.shards import Indices, Recoded
from streamlearner.methods.base import Experience, Observation, unit_interval
from streamlearner.methods.components import Components
from streamlearner.methods.recollection_replay import RecollectionReplay
from streamlearner.networks.halves import halfway
from streamlearner.registry.methods import LateFreezeSection, RecollectionReplaySection

AT_ONCE = 256
"""Recollections decoded at a time."""


class LateFreeze(RecollectionReplay):
    """As `RecollectionReplay` until `freeze_after` examples were learned, or the readout did not rise for
    `patience` sleeps in a row. Then the lower half of the averaged weights is frozen for good, each
    recollection is decoded, shown to it, and stored as a code of what it gives; from then on new examples are
    coded so, and steps train the upper half alone.

    Differs from both: no base of classes is learned in advance, and codes are those of any feature vector.
    Inputs that are no images, and networks that are no row of modules, are never frozen. A sleep that is
    under way then ends as a version that can be gone back to, above the cut. Once frozen it shows no
    recollections, teaches no other network, and cannot be merged.
    """

    cut: Tensor
    readouts: Plateau
    can_merge = False
    freeze_after: int | None = 10_000
    patience: int | None = None

    @classmethod
    def build(cls, settings: RecollectionReplaySection, components: Components) -> Self:
        assert isinstance(settings, LateFreezeSection)
        made = super().build(settings, components)
        made.freeze_after, made.patience = settings.freeze_after, settings.patience
        made.readouts = Plateau()
        return made

    @property
    def is_cut(self) -> bool:
        return self.hippocampus.network.cut > 0

    @property
    def can_transplant(self) -> bool:  # type: ignore[override]
        return not self.is_cut

    @property
    def _looked_at(self) -> int:
        return 0 if self.is_cut else super()._looked_at

    def observe(self, experience: Experience) -> Observation:
        if self._is_time and self._halves:
            self._freeze()
        return super().observe(experience)

    @property
    def _is_time(self) -> bool:
        seen_enough = self.freeze_after is not None and self.memory.seen >= self.freeze_after
        stopped_rising = self.patience is not None and int(self.readouts.flat) >= self.patience
        return not self.is_cut and (seen_enough or stopped_rising)

    def heed_readout(self, accuracy: float) -> None:
        if not self.is_cut:
            self.readouts.add(accuracy, classes=self.classes)

    @property
    def _halves(self) -> int:
        images = len(self.association.input_shape) == 3
        return halfway(self.hippocampus.network.body) if images else 0

    def _as_learned(self, inputs: Tensor) -> Tensor:
        images = unit_interval(inputs)
        return self.hippocampus.network.below(images) if self.is_cut else images

    @torch.no_grad()
    def _freeze(self) -> None:
        """The learning network goes on from the averaged weights: below the cut all have the same."""
        self.hippocampus.network.load_state_dict(self.hippocampus.average.state_dict())
        self._cut_in_half()
        former, below = self.association, self.hippocampus.network.below
        fitted = self._association_above()
        for symbols in torch.split(self.memory.contents().symbols, AT_ONCE):
            fitted.learn(below(former.decode(symbols)), None)
        present: Association = fitted.renew() or fitted
        present = self._shortened(present, coming=0) or present
        self.memory.recode(present.radices, lambda codes: present.encode(below(former.decode(codes))))
        self.association = present
        self.answering.offer_nearest(self._looked_at)

    def _cut_in_half(self) -> None:
        shape = self.association.input_shape
        for network in self._networks:
            network.cut_at(self._halves, shape)
        self.register_buffer("cut", torch.tensor(self.hippocampus.network.cut))

    def _association_above(self) -> VectorAssociation:
        shape = (self.hippocampus.network.features_at_cut,)
        bits = code_bits_for("transform", input_shape=shape, budget_bits=self.memory.budget_bits)
        return VectorAssociation(
            input_shape=shape, code_bits=bits, may_be_longer=True, least_bits=LEAST_FEATURE_BITS
        )

    def adopt(self, candidate: Self) -> None:
        """One of before the cut is a version, and no more: what it learned below is not what is frozen."""
        if candidate.is_cut == self.is_cut:
            super().adopt(candidate)
            return
        candidate.neocortex.head.grow(self.hippocampus.average.head.rows)
        self.neocortex.load_state_dict(candidate.neocortex.state_dict())

    def revert(self, neocortex: dict[str, Tensor]) -> None:
        """Above the cut: what lies below stays, as all codes are of what it gives."""
        below = self.hippocampus.average.state_below()
        self.readouts.begin_anew()
        super().revert(neocortex)
        for network in self._networks:
            network.load_state_dict(below, strict=False)

    def switch(self, network: nn.Module) -> None:
        self.readouts.begin_anew()
        super().switch(network)

    def merge(
        self, shards: Sequence[Self], indices: Sequence[Indices], generator: torch.Generator
    ) -> Recoded:
        if any(shard.is_cut for shard in shards):
            raise ValueError("learners that froze their own lower halves cannot be merged")
        return super().merge(shards, indices, generator)

    def recollecting(self, per_class: int) -> Callable[[], list[tuple[int, Tensor]]]:
        return list if self.is_cut else super().recollecting(per_class)

    def coded(self, inputs: Tensor) -> Tensor | None:  # type: ignore[override]
        return None if self.is_cut else super().coded(inputs)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        if prefix + "cut" in state_dict and not self.is_cut:
            self._cut_in_half()
            self.association = self._association_above()
        super()._load_from_state_dict(state_dict, prefix, *rest)
