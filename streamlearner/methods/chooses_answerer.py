"""A method whose averaged network answers, or the live one, or statistics beside it: whoever does best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import torch
from torch import Tensor, nn

from streamlearner.merging.contract import Mergeable
from streamlearner.merging.shards import Codes, Indices, Recoded
from streamlearner.methods.answering import AVERAGED, BLEND, LIVE, NETWORKS, STATISTICS, Answering
from streamlearner.methods.base import DualMemory, unit_interval
from streamlearner.methods.erased_statistics import erased
from streamlearner.methods.experience import Experience, Removed, Selection
from streamlearner.methods.graphs import BothAnswer, NetworkAnswers, StatisticsAnswers
from streamlearner.methods.remembering import STATISTICS_SAMPLE, Remembering
from streamlearner.networks import by_hand
from streamlearner.networks.averaged import AveragedNetwork
from streamlearner.networks.base import Network
from streamlearner.networks.head_rows import state_with_rows_at
from streamlearner.statistics.graph import StatisticsGraph
from streamlearner.statistics.mirrors import Mirrors


class ChoosesAnswerer(Remembering, Mergeable):
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

    @torch.no_grad()
    def predict_proba(self, inputs: Tensor, tasks: Tensor | None) -> Tensor:
        who = self.answering.who
        numbers = self.answering.numbers(inputs) if self.answering.asks_statistics else None
        networks = NETWORKS[who]
        new = unit_interval(inputs) if networks else inputs
        return self._log_probabilities(new, numbers, tasks, networks=networks)[who].exp()

    def _as_learned(self, inputs: Tensor) -> Tensor:
        """Raw inputs as they are learned, and remembered."""
        return unit_interval(inputs)

    def graph(self) -> nn.Module:
        who, answering = self.answering.who, self.answering
        statistics = StatisticsGraph(answering.statistics) if answering.statistics else None
        if who == STATISTICS and statistics:
            return StatisticsAnswers(statistics, self.seen_classes)
        asked = self.hippocampus.network if who == LIVE else self.hippocampus.average
        network = NetworkAnswers(asked, self.seen_classes)
        if statistics is None or not answering.asks_statistics:
            return network
        young = torch.from_numpy(answering.young)
        return BothAnswer(network, statistics, young=young, blend=who == BLEND)

    @torch.no_grad()
    def answers(self, inputs: Tensor, tasks: Tensor | None) -> dict[str, Tensor]:
        numbers, new = self.answering.numbers(inputs), unit_interval(inputs)
        found = self._log_probabilities(new, numbers, tasks, networks=(AVERAGED, LIVE))
        return {name: scores.exp() for name, scores in found.items()}

    @torch.no_grad()
    def answers_by(self, name: str, inputs: Tensor, tasks: Tensor | None) -> Tensor:
        """Without the network that it does not take."""
        numbers, networks = self.answering.numbers(inputs), NETWORKS[name]
        new = unit_interval(inputs) if networks else inputs
        return self._log_probabilities(new, numbers, tasks, networks=networks)[name].exp()

    @torch.no_grad()
    def answers_before(
        self, new: Tensor, numbers: Tensor | None, tasks: Tensor | None, *, thinned: bool = False
    ) -> dict[str, Tensor]:
        """Log-probabilities [n, classes] before a batch is learned, by answerer: of all where they are
        compared, else at least of who answers (of statistics alone: scores of the same order). LIVE is left
        out where its first step tells the same, of all in a batch that is not `thinned`."""
        compares, answering = self.answering.compares, self.answering
        if not compares and answering.who == STATISTICS and answering.statistics and numbers is not None:
            scores = answering.statistics.comparable(numbers)
            return {STATISTICS: self.seen_classes.restricted(scores, tasks)}
        asked = numbers if compares or answering.asks_statistics else None
        networks = (AVERAGED, LIVE) if compares else NETWORKS[answering.who]
        if self.hippocampus.network.answers_as_it_trains and not thinned:
            networks = tuple(name for name in networks if name != LIVE)
        return self._log_probabilities(new, asked, tasks, networks=networks)

    def _log_probabilities(
        self, new: Tensor, numbers: Tensor | None, tasks: Tensor | None, *, networks: tuple[str, ...]
    ) -> dict[str, Tensor]:
        """By answerer, [n, classes], of those that these networks, and statistics of `numbers`, make up."""
        both = {AVERAGED: self.hippocampus.average, LIVE: self.hippocampus.network}
        logits = {name: by_hand.logits(both[name], new)[:, : self.classes] for name in networks}
        return self.answering.answers(
            numbers, logits, lambda scores: self.seen_classes.restricted(scores, tasks)
        )

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
        self.answering.weigh(exam_hits, labels)
        self.share_budget()

    def share_budget(self) -> None:
        """Recollections have what statistics leave of the budget."""
        self.memory.resize(self.answering.bits_for_recollections)

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
        if len(self.memory):
            shown = self.association.decode(self.memory.sample(STATISTICS_SAMPLE, generator).symbols)
            for network in (self.hippocampus.network, self.hippocampus.average, self.neocortex):
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
        return erased(self.answering.statistics, selection, super().erase(selection))

    @torch.no_grad()
    def rebuild_sums(self) -> None:
        if (statistics := self.answering.statistics) is None or not len(self.memory):
            return
        first, _ = self._shown(self.memory.spread(STATISTICS_SAMPLE))
        statistics.learn_anew(first, map(self._shown, self.memory.in_order(STATISTICS_SAMPLE)))
        self.answering.fit()
        self.share_budget()

    @property
    def route(self) -> str:
        return self.answering.who

    @property
    def answerers(self) -> tuple[str, ...]:
        return self.answering.names

    @property
    def unsettled(self) -> bool:
        return self.answering.unsettled

    def stored_bits(self) -> dict[str, int]:
        return super().stored_bits() | self.answering.stored_bits()

    def unused_by_predictions(self) -> tuple[str, ...]:
        unused = (*super().unused_by_predictions(), "answering.evidence")
        return unused if self.route == LIVE else (*unused, "hippocampus.network")

    @torch.no_grad()
    def features(self, inputs: Tensor) -> Tensor:
        return self.hippocampus.average.eval().features(unit_interval(inputs))

    def load_state_dict(self, *args: Any, **kwargs: Any) -> Any:
        found = super().load_state_dict(*args, **kwargs)
        self.answering.fit()
        self._mirror_as_before()
        return found

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        self.answering.expect(state_dict, prefix + "answering.")
        self.share_budget()
        super()._load_from_state_dict(state_dict, prefix, *rest)

    @property
    def taught_in_sleep(self) -> str | None:
        return AVERAGED
