"""A method of which the network, its average, statistics and recollections can answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import torch
from torch import Tensor, nn

from streamlearner.methods.answerers import ALL, AVERAGED, BLEND, LIVE, NEAREST, NETWORKS, PART, STATISTICS
from streamlearner.methods.answering import Answering
from streamlearner.methods.base import unit_interval
from streamlearner.methods.graphs import BothAnswer, NearestAnswers, NetworkAnswers, StatisticsAnswers
from streamlearner.methods.nearest import NearestRecollections, most_of
from streamlearner.methods.remembering import Remembering
from streamlearner.networks import by_hand
from streamlearner.networks.averaged import AveragedNetwork
from streamlearner.statistics.graph import StatisticsGraph

MUCH_MORE = 2
"""Times as many examples were seen as are remembered: these are but a part of it."""


class SeveralAnswerers(Remembering):
    """What each of them answers; `answering` says whose answer counts."""

    hippocampus: AveragedNetwork
    answering: Answering
    decoded: NearestRecollections | None = None
    """Of a frozen copy, where they answer: the recollections that are looked at, decoded once."""

    @torch.no_grad()
    def predict_proba(self, inputs: Tensor, tasks: Tensor | None) -> Tensor:
        who = self.answering.who
        numbers = self.answering.numbers(inputs) if self.answering.asks_statistics else None
        return self._log_probabilities(_seen_by(who, inputs), numbers, tasks, asked=(who,))[who].exp()

    def _as_learned(self, inputs: Tensor) -> Tensor:
        """Raw inputs as they are learned, and remembered."""
        return unit_interval(inputs)

    def graph(self) -> nn.Module:
        who, answering = self.answering.who, self.answering
        statistics = StatisticsGraph(answering.statistics) if answering.statistics else None
        if who == STATISTICS and statistics:
            return StatisticsAnswers(statistics, self.seen_classes)
        asked = self.hippocampus.network if who == LIVE else self.hippocampus.average
        seen = self.seen_classes
        answers = NearestAnswers(self._nearest(), seen) if who == NEAREST else NetworkAnswers(asked, seen)
        if statistics is None or not answering.asks_statistics:
            return answers
        young = torch.from_numpy(answering.young)
        return BothAnswer(answers, statistics, young=young, blend=who == BLEND)

    @torch.no_grad()
    def answers(self, inputs: Tensor, tasks: Tensor | None) -> dict[str, Tensor]:
        numbers, new = self.answering.numbers(inputs), unit_interval(inputs)
        found = self._log_probabilities(new, numbers, tasks, asked=self.answerers)
        return {name: scores.exp() for name, scores in found.items()}

    @torch.no_grad()
    def answers_by(self, name: str, inputs: Tensor, tasks: Tensor | None) -> Tensor:
        """Without the others."""
        numbers, new = self.answering.numbers(inputs), _seen_by(name, inputs)
        return self._log_probabilities(new, numbers, tasks, asked=(name,))[name].exp()

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
        numbers = numbers if compares or answering.asks_statistics else None
        asked = self.answerers if compares else (answering.who,)
        if self.hippocampus.network.answers_as_it_trains and not thinned:
            asked = tuple(name for name in asked if name != LIVE)
        return self._log_probabilities(new, numbers, tasks, asked=asked)

    def _log_probabilities(
        self, new: Tensor, numbers: Tensor | None, tasks: Tensor | None, *, asked: Sequence[str]
    ) -> dict[str, Tensor]:
        """By answerer, [n, classes], of those `asked`, and of others that take nothing else. `numbers` is
        what statistics see, None: they are not asked."""
        both = {AVERAGED: self.hippocampus.average, LIVE: self.hippocampus.network}
        networks = {network for name in asked for network in NETWORKS[name]}
        scores = {
            name: by_hand.logits(network, new)[:, : self.classes]
            for name, network in both.items()
            if name in networks
        }
        if NEAREST in asked:
            scores[NEAREST] = self._nearest()(new)
        return self.answering.answers(
            numbers, scores, lambda scores: self.seen_classes.restricted(scores, tasks)
        )

    def _nearest(self) -> NearestRecollections:
        return self.decoded or NearestRecollections.of(self.memory, self.association, classes=self.classes)

    @property
    def _looked_at(self) -> int:
        """Whether the nearest recollections may answer, by nearly ALL that was seen, by PART, or not (0)."""
        held, most = len(self.memory), most_of(self.association.input_shape)
        if not held or not most:
            return 0
        return ALL if held <= most and self.memory.seen <= MUCH_MORE * held else PART

    @property
    def route(self) -> str:
        return self.answering.who

    @property
    def answerers(self) -> tuple[str, ...]:
        return self.answering.names

    @property
    def unsettled(self) -> bool:
        return self.answering.unsettled

    def unused_by_predictions(self) -> tuple[str, ...]:
        unused = {*super().unused_by_predictions(), "answering.evidence", "hippocampus.network"}
        if self.route == LIVE:
            unused.remove("hippocampus.network")
        return tuple(sorted(unused))

    def frozen(self) -> Self:
        copied = super().frozen()
        if self.route == NEAREST:
            object.__setattr__(copied, "decoded", self._nearest())  # no submodule: it is no state
        return copied

    @torch.no_grad()
    def features(self, inputs: Tensor) -> Tensor:
        return self.hippocampus.average.eval().features(unit_interval(inputs))

    @property
    def taught_in_sleep(self) -> str | None:
        return AVERAGED


def _seen_by(who: str, inputs: Tensor) -> Tensor:
    """Raw inputs as an answerer takes them: statistics take them as they are."""
    return inputs if who == STATISTICS else unit_interval(inputs)
