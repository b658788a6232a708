"""A method whose averaged network answers, or the live one, or statistics beside it: whoever does best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import torch
from torch import Tensor

from streamlearner.merging.contract import Mergeable
from streamlearner.merging.shards import Codes, Indices, Recoded
from streamlearner.methods.answerers import NEAREST
from streamlearner.methods.answering import Answering
from streamlearner.methods.base import DualMemory, raw
from streamlearner.methods.erased_statistics import erased
from streamlearner.methods.experience import Experience, Removed, Selection
from streamlearner.methods.held_out import nearest_ahead
from streamlearner.methods.nearest import most_of
from streamlearner.methods.remembering import STATISTICS_SAMPLE
from streamlearner.methods.several_answerers import SeveralAnswerers
from streamlearner.networks.averaged import AveragedNetwork
from streamlearner.networks.base import Network
from streamlearner.networks.head_rows import state_with_rows_at
from streamlearner.statistics.mirrors import Mirrors


class ChoosesAnswerer(SeveralAnswerers, Mergeable):
    """Adds to a method that remembers what lets it choose who answers. `answering` and `memory` share the
    budget."""

    hippocampus: AveragedNetwork
    neocortex: Network
    answering: Answering
    mirrors: Mirrors | None
    """None where images are not mirrored to be learned, or it was configured."""
    stores = (*DualMemory.stores, "answering.statistics")
    lent = (*DualMemory.lent, "answering.statistics")
    not_merged = (*Mergeable.not_merged, "hippocampus")

    @property
    def _networks(self) -> tuple[Network, Network, Network]:
        """All that have the same classes."""
        return self.hippocampus.network, self.hippocampus.average, self.neocortex

    def learn_answering(
        self, experience: Experience, numbers: Tensor | None, predicted: Mapping[str, Tensor]
    ) -> bool:
        """What `Answering.learn` does, with the answers `predicted` [n] by answerer; and whether a mirrored
        image is still of its class."""
        statistics, mirrors = self.answering.statistics, self.mirrors
        if mirrors is not None and statistics and self.answering.compares and not mirrors.refused:
            mirrors.compare(statistics, experience.inputs, experience.labels)
            self._mirror_as_before()
        changed = self.answering.learn(numbers, experience.labels, predicted)
        self.share_budget()
        return changed

    def _mirror_as_before(self) -> None:
        """Once mirror images were refused there are none."""
        if self.mirrors is not None and self.mirrors.refused and self.augmentation is not None:
            self.augmentation = self.augmentation.without_mirrors()

    def choose_answerer(self, exam_hits: Mapping[str, Tensor], labels: Tensor) -> None:
        self.answering.weigh(exam_hits, labels, nearest_ahead=self._nearest_ahead())
        self.share_budget()

    @torch.no_grad()
    def _nearest_ahead(self) -> float | None:
        """Where meanings changed, recollections have the old ones, too, and statistics fewer of these."""
        statistics = self.answering.statistics
        if statistics is None or statistics.sums.halvings or NEAREST not in self.answerers:
            return None
        held = self.memory.spread(most_of(self.association.input_shape))
        shown = self.association.decode(held.symbols)
        numbers = statistics.numbers(raw(shown))
        return nearest_ahead(shown, numbers, held.labels, statistics=statistics, classes=self.classes)

    def share_budget(self) -> None:
        """Recollections have what statistics leave of the budget."""
        self.memory.resize(self.answering.bits_for_recollections)
        self.answering.offer_nearest(self._looked_at)

    @torch.no_grad()
    def merge(
        self, shards: Sequence[Self], indices: Sequence[Indices], generator: torch.Generator
    ) -> Recoded:
        """Statistics are those of all, unless a learner has none any more, or sees inputs by a rule of its
        own: then there are none. Networks take the statistics of
        their inputs from recollections of all. Who answers is chosen by the exam."""
        self.seen_classes.merge([shard.seen_classes for shard in shards], indices)
        self._grow()
        self.answering.evidence.trust_exam()  # it goes on from another's network, as after a rollback
        self._merge_statistics([shard.answering for shard in shards], indices)
        self.share_budget()
        given = [Codes(it.memory, it.association, own) for it, own in zip(shards, indices, strict=True)]
        recoded = self._merge_codes(given, generator)
        self.answering.offer_nearest(self._looked_at)
        if len(self.memory):
            shown = self.association.decode(self.memory.sample(STATISTICS_SAMPLE, generator).symbols)
            for network in self._networks:
                network.update_input_statistics(shown)
        return recoded

    def follow(self, published: Self, indices: Indices) -> None:
        self.seen_classes.merge([published.seen_classes], [indices])
        self._grow()
        self.share_budget()
        classes = indices.classes
        places = [classes[k] for k in range(len(classes))]
        self.revert(state_with_rows_at(published.neocortex, places))

    def _merge_statistics(self, shards: Sequence[Answering], indices: Sequence[Indices]) -> None:
        own = self.answering
        if any(shard.choice[2] for shard in shards):
            own.settle()
        for shard, (classes, _) in zip(shards, indices, strict=True):
            theirs = shard.statistics
            if own.statistics is None or theirs is None or not own.statistics.agrees(theirs):
                own.statistics = None
            else:
                own.statistics.merge(theirs, classes)
        own.fit()

    def _grow(self) -> None:
        """Makes room for all classes that were seen."""
        raise NotImplementedError

    def erase(self, selection: Selection) -> Removed:
        if selection.label is not None:
            self.answering.evidence.erase(selection.label)
        removed = super().erase(selection)
        self.answering.offer_nearest(self._looked_at)
        return erased(self.answering.statistics, selection, removed)

    @torch.no_grad()
    def rebuild_sums(self) -> None:
        if (statistics := self.answering.statistics) is None or not len(self.memory):
            return
        first, _ = self._shown(self.memory.spread(STATISTICS_SAMPLE))
        statistics.learn_anew(first, map(self._shown, self.memory.in_order(STATISTICS_SAMPLE)))
        self.answering.fit()
        self.share_budget()

    def stored_bits(self) -> dict[str, int]:
        return super().stored_bits() | self.answering.stored_bits()

    def load_state_dict(self, *args: Any, **kwargs: Any) -> Any:
        found = super().load_state_dict(*args, **kwargs)
        self.answering.fit()
        self._mirror_as_before()
        return found

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        self.answering.expect(state_dict, prefix + "answering.")
        self.share_budget()
        super()._load_from_state_dict(state_dict, prefix, *rest)
