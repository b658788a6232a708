"""Who answers for a method that has a network: the network, statistics, both, or recollections."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from streamlearner.evaluation.evidence import Evidence
from streamlearner.methods.answerers import ALL, ANSWERERS, AVERAGED, BLEND, LIVE, NEAREST, STATISTICS
from streamlearner.methods.choosing import choose
from streamlearner.statistics import shares
from streamlearner.statistics.leading import LeadingStatistics

SETTLED_AFTER = 6
"""Choices in a row for a network after which statistics make room for recollections."""
YOUNG = 100
"""A class of which fewer examples were seen is answered by statistics, unless all are about as rare."""
COMPARE_ALL, COMPARE_EVERY, GOLDEN = 20, 4, 0.6180339887
"""First batches on which all who may answer are compared, and then one in so many: it takes a while. By the
golden ratio, as streams have periods: of classes of two batches each fourth was always the first."""

Restrict = Callable[[Tensor], Tensor]
"""Scores [n, classes], with minus infinity for classes that may not be predicted."""


class Answering(nn.Module):
    """Chooses the answerer by evidence, and divides the budget between statistics and recollections.

    Statistics answer first. They take three quarters of the budget, of a small one half; once a network has
    been chosen again and again, they shrink to an eighth, or go where that is too little to be of use.
    `choice` [6] int64 is state: the index of who answers, for how many choices in a row a network was chosen,
    1 once settled, how many batches were learned, whether the nearest recollections may answer (0, or by
    ALL or PART of what was seen), and the most directions of how the budget was divided at first (0: BEFORE).
    """

    choice: Tensor

    def __init__(
        self,
        *,
        budget_bits: int,
        input_shape: tuple[int, ...],
        seed: int,
        wanted: bool = True,
        ordered: bool = False,
    ) -> None:
        """With statistics, where they are wanted and have room. `ordered`: the first features tell most."""
        super().__init__()
        self.budget_bits = budget_bits
        self._made = partial(
            shares.statistics_within, budget_bits, input_shape=input_shape, seed=seed, ordered=ordered
        )
        self.statistics = self._made(shares.TODAY) if wanted else None
        self.ordered = isinstance(self.statistics, LeadingStatistics)
        self.evidence = Evidence(ANSWERERS, lasting=STATISTICS)
        first = [0 if self.statistics else 1, 0, 0, 0, 0, shares.TODAY.most_directions]
        self.register_buffer("choice", torch.tensor(first))

    @property
    def who(self) -> str:
        """Who answers now, one of ANSWERERS."""
        return ANSWERERS[self.choice.tolist()[0]]

    @property
    def names(self) -> tuple[str, ...]:
        """Who may be chosen."""
        held = (STATISTICS, AVERAGED, LIVE, BLEND) if self.statistics else (AVERAGED, LIVE)
        return (*held, NEAREST) if self.choice.tolist()[4] else held

    @property
    def compares(self) -> bool:
        """Whether all who may answer are compared on the next batch."""
        batches: int = self.choice.tolist()[3]
        return batches < COMPARE_ALL or batches * GOLDEN % 1 < 1 / COMPARE_EVERY

    def needs_live(self, known: Mapping[str, Tensor]) -> bool:
        """Whether LIVE counts beside the answers that are known: it answers, or all are compared."""
        return self.who == LIVE or all(name in known for name in self.names if name != LIVE)

    @property
    def asks_statistics(self) -> bool:
        """Whether the answer takes theirs: also where a class is too young for a network."""
        return self.who in (STATISTICS, BLEND) or self.unsettled

    @property
    def bits_for_recollections(self) -> int:
        """What statistics leave of the budget."""
        return self.budget_bits - (self.statistics.budget_bits if self.statistics else 0)

    @property
    def unsettled(self) -> bool:
        """Whether there is a class so new that each batch may change its answers much."""
        return self.statistics is not None and bool(self.young.any())

    @property
    def young(self) -> NDArray[np.bool_]:
        """Classes that a network cannot know yet, [classes] bool."""
        assert self.statistics
        counts: NDArray[np.int32] = self.statistics.sums.counts.numpy()  # by numpy: asked with each batch
        return np.less(counts, min(YOUNG, int(counts.sum()) // (4 * max(1, len(counts)))))

    def grow(self, classes: int) -> None:
        """Makes room for classes. Statistics may go, as they may in `learn`: give `bits_for_recollections` to
        the memory afterwards."""
        self.evidence.grow(classes)
        if self.statistics:
            self.statistics.grow(classes)
            self._drop_what_is_of_no_use()

    def meet(self, inputs: Tensor) -> Tensor | None:
        """`numbers` of raw inputs that will be learned: the first of all decide how inputs are scaled."""
        if self.statistics:
            self.statistics.directions.calibrate(inputs)
        return self.numbers(inputs)

    def numbers(self, inputs: Tensor) -> Tensor | None:
        """What statistics see of raw inputs; None without them."""
        return self.statistics.numbers(inputs) if self.statistics else None

    def answers(
        self, numbers: Tensor | None, scores: Mapping[str, Tensor], restrict: Restrict
    ) -> dict[str, Tensor]:
        """Log-probabilities [n, classes] by answerer. `scores` are those of AVERAGED, LIVE and NEAREST, or of
        some of them. An input that statistics take for a young class is theirs to answer."""
        found = {name: restrict(given).log_softmax(1) for name, given in scores.items()}
        if self.statistics is None or numbers is None:
            return found
        own = restrict(self.statistics.scores(numbers)).log_softmax(1)
        if AVERAGED in found:
            found[BLEND] = restrict(own + found[AVERAGED]).log_softmax(1)
        return {STATISTICS: own} | {name: self.with_young(scores, own) for name, scores in found.items()}

    def with_young(self, scores: Tensor, own: Tensor | None) -> Tensor:
        """Scores of another, but of statistics (`own`, None: not asked) where these see a young class."""
        if own is None or not (young := self.young).any():
            return scores
        return own.where(torch.from_numpy(young)[own.argmax(1)][:, None], scores)

    def learn(self, numbers: Tensor | None, labels: Tensor, predicted: Mapping[str, Tensor]) -> bool:
        """Learns what statistics learn, and who was right, where all are compared: `predicted` [n] by
        answerer, from before the examples were learned. Whether meanings changed: then statistics answer, who
        forget first."""
        self.choice.numpy()[3] += 1  # in place, without four calls of torch
        if all(name in predicted for name in self.names):
            nobody = torch.full_like(labels, -1)
            right = [predicted.get(name, nobody) == labels for name in ANSWERERS]
            self.evidence.add(torch.stack(right), labels)
        else:
            self.evidence.pass_by(len(labels))
        if self.statistics is None or numbers is None:
            return False
        changed = self.statistics.learn(numbers, labels, predicted.get(STATISTICS))
        self._drop_what_is_of_no_use()
        if changed and self.statistics:
            self.evidence.forget_latest()
            self.choice[:2] = torch.tensor([ANSWERERS.index(STATISTICS), 0])
        return changed

    def weigh(
        self, exam_hits: Mapping[str, Tensor], labels: Tensor, *, nearest_ahead: float | None = None
    ) -> None:
        """Chooses anew (`choose`). Statistics may make room: give `bits_for_recollections` to the memory."""
        who = choose(
            self.evidence,
            self.who,
            {name: exam_hits[name] for name in self.names if name in exam_hits},
            labels,
            ordered=self.ordered,
            all_looked_at=self.choice.tolist()[4] == ALL,
            nearest_ahead=nearest_ahead,
        )
        in_a_row = int(self.choice[1]) + 1 if who in (AVERAGED, LIVE) else 0
        self.choice[:2] = torch.tensor([ANSWERERS.index(who), in_a_row])
        if int(self.choice[1]) >= SETTLED_AFTER and not self.choice[2]:
            self.settle()

    def offer_nearest(self, looked_at: int) -> None:
        """Lets the nearest recollections answer, by ALL that was seen, by PART, or not at all (0)."""
        if self.choice.tolist()[4] != looked_at:
            self.choice[4] = looked_at
            self._choose_among_those_left()

    def rely_on_network(self) -> None:
        """The network is another one: it answers, until there is evidence of it."""
        self.evidence.forget_latest()
        self.choice[:2] = torch.tensor([ANSWERERS.index(AVERAGED), 0])

    def stored_bits(self) -> dict[str, int]:
        """Of statistics, as a store of the method's."""
        return {"statistics": self.statistics.stored_bits} if self.statistics else {}

    def settle(self) -> None:
        """Statistics make room for more recollections, for good."""
        self.choice[2] = 1
        self.fit()

    def fit(self) -> None:
        """Limits statistics to their share of the budget, which may be smaller since the last restart."""
        if self.statistics is None:
            return
        self.statistics.limit(self._share(self.choice))
        self._drop_what_is_of_no_use()

    def _drop_what_is_of_no_use(self) -> None:
        """At once, not at the next restart: the daemon that goes on is the one that was started again."""
        if self.statistics and self.statistics.sums.directions < shares.LEAST_DIRECTIONS:
            self.statistics = None
        self._choose_among_those_left()

    def _choose_among_those_left(self) -> None:
        if self.who not in self.names:
            self.choice[0] = ANSWERERS.index(STATISTICS if self.statistics else AVERAGED)

    def expect(self, state_dict: dict[str, Any], prefix: str) -> None:
        """Divides the budget as it was when `state_dict` was saved, before that is loaded."""
        held = any(name.startswith(prefix + "statistics.") for name in state_dict)
        choice = state_dict.get(prefix + "choice")
        if not held or choice is None:
            self.statistics = None
        elif self.statistics is not None:
            if (division := shares.division_of(choice)) is not shares.division_of(self.choice):
                self.statistics = self._made(division)
            if self.statistics is not None:
                self.statistics.budget_bits = self._share(choice)

    def _share(self, choice: Tensor) -> int:
        """Bits that statistics may take, as `choice` has it."""
        settled, division = bool(choice[2]), shares.division_of(choice)
        return shares.statistics_share(self.budget_bits, division, settled=settled, ordered=self.ordered)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        """Checkpoints of version 0.1.0 have no answerers: the network goes on answering for them."""
        if self.statistics is None:
            for name in [name for name in state_dict if name.startswith(prefix + "statistics.")]:
                del state_dict[name]
        if prefix + "choice" not in state_dict:
            state_dict[prefix + "choice"] = torch.tensor([ANSWERERS.index(AVERAGED), 0, 1])
            for name, part in Evidence(ANSWERERS).state_dict().items():
                state_dict[f"{prefix}evidence.{name}"] = part
        saved = state_dict[prefix + "choice"]
        state_dict[prefix + "choice"] = torch.cat([saved, saved.new_zeros(len(self.choice) - len(saved))])
        super()._load_from_state_dict(state_dict, prefix, *rest)
        self._choose_among_those_left()
