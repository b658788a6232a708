"""Evidence of who answers best: by class, of the latest examples where there are some, else of the exam."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

HORIZON = 50
"""Examples of a class over which its answers are averaged."""
RECENT = 1_000
"""A class that was not seen for so many examples is judged by the exam."""
LATEST = 0.7
"""What the latest examples of a class weigh; the exam has the rest."""
ENOUGH = 0.5
"""Share of the classes of which there must be evidence, unless who takes over forgets none of the others."""
DOUBT, MUCH_DOUBT = 1.0, 3.0
"""Standard errors by which another must be better than who answers now; and where the exam has but few of the
classes, so that it says little of the others."""
DOUBT_OF_KIN = 0.25
"""The same between two who answer alike but for a few inputs: their errors are mostly the same. For one of
them that is expected to be better nothing is asked, and against it as much as between any two."""
TINY = 1e-9
"""Instead of no example, to divide by."""


class Basis(NamedTuple):
    """What rates are of, by class [classes]: how many of the `latest` examples, how many that the exam
    `asked`, and the `share` that the former have of the judgement."""

    latest: Tensor
    asked: Tensor
    share: Tensor

    @property
    def judged(self) -> Tensor:
        """Classes [classes] bool of which there is evidence."""
        return (self.latest > 0) | (self.asked > 0)


class Evidence(nn.Module):
    """How often each of several `answerers` was right before an example was learned.

    A class that comes now is judged by its latest examples and, a little less, by the exam: the exam may
    still ask for what the class meant before, but it also knows the looks that do not come now. A class that
    does not come now is judged by the exam: of it the latest examples are old, and who has forgotten it since
    would look as good as before.

    `hits` [answerers, classes] and `weights` [classes] float32 are sums over a horizon; `newest` [classes]
    int64 is when a class was last seen, in examples; `seen` [] int64 counts them, and `changed` [] says when
    meanings last changed.
    """

    hits: Tensor
    weights: Tensor
    newest: Tensor
    seen: Tensor
    changed: Tensor

    def __init__(self, answerers: tuple[str, ...], *, lasting: str | None = None) -> None:
        """`lasting`: one of the answerers that does not forget."""
        super().__init__()
        self.answerers, self.lasting = answerers, lasting
        self.register_buffer("hits", torch.zeros(len(answerers), 0))
        self.register_buffer("weights", torch.zeros(0))
        self.register_buffer("newest", torch.zeros(0, dtype=torch.int64))
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))
        self.register_buffer("changed", torch.tensor(-RECENT))

    def grow(self, classes: int) -> None:
        """Places for classes up to `classes`."""
        if (more := classes - len(self.weights)) > 0:
            self.hits = torch.cat([self.hits, torch.zeros(len(self.answerers), more)], 1)
            self.weights = torch.cat([self.weights, torch.zeros(more)])
            self.newest = torch.cat([self.newest, torch.full((more,), -RECENT)])

    def add(self, right: Tensor, labels: Tensor) -> None:
        """`right` [answerers, n] bool: who answered rightly, of examples with `labels` [n]."""
        classes, counts = torch.unique(labels, return_counts=True)
        kept = (1 - 1 / HORIZON) ** counts
        self.hits[:, classes] *= kept
        self.hits.index_add_(1, labels, right.float())
        self.weights[classes] = self.weights[classes] * kept + counts
        self.seen.add_(len(labels))
        self.newest[classes] = self.seen

    def erase(self, label: int) -> None:
        """Of a class: as if it had never been seen."""
        self.hits[:, label : label + 1], self.weights[label : label + 1] = 0.0, 0.0
        self.newest[label : label + 1] = -RECENT

    def pass_by(self, examples: int) -> None:
        """So many came of which it was not asked who was right."""
        self.seen.add_(examples)

    def forget_latest(self) -> None:
        """Meanings changed: what was answered before says nothing any more, and for a while nor does the
        exam."""
        self.hits.zero_()
        self.weights.zero_()
        self.changed.copy_(self.seen)

    def trust_exam(self) -> None:
        """Whatever changed before, the exam asks what classes mean now."""
        self.changed.copy_(self.seen - RECENT)

    def best(
        self,
        now: str,
        exam_hits: Mapping[str, Tensor],
        labels: Tensor,
        *,
        akin: Collection[str] = (),
        expected: str | None = None,
        doubt: float = DOUBT,
    ) -> str:
        """Who of those in `exam_hits` should answer: `now`, who does, unless another is better beyond
        `doubt`. `exam_hits` [n] bool by answerer, with the `labels` [n] of the exam's examples. Between two
        who are `akin` there is less; of these one may be `expected` to be the best."""
        rates, basis = self._by_class(exam_hits, labels)
        if not basis.judged.any():
            return now
        of_enough = bool(basis.judged.float().mean() >= ENOUGH)
        candidates = [name for name in exam_hits if of_enough or name in (now, self.lasting)]
        means = rates[:, basis.judged].mean(1)
        absent = torch.tensor([name not in candidates for name in self.answerers])
        means, current = means.masked_fill(absent, -1.0), self.answerers.index(now)
        best = int(means.argmax())
        other = self.answerers[best]
        if best == current or now not in exam_hits:
            return other
        if {now, other} <= {*akin} and expected != now:
            doubt = 0.0 if expected == other else DOUBT_OF_KIN
        variances = self._variances((current, best), exam_hits[now], exam_hits[other], labels, basis)
        error = (variances[basis.judged].sum() / basis.judged.sum() ** 2).sqrt()
        return other if means[best] - means[current] > doubt * error else now

    def _by_class(self, exam_hits: Mapping[str, Tensor], labels: Tensor) -> tuple[Tensor, Basis]:
        """Rates of right answers [answerers, classes], and what they are of."""
        of_exam, asked = self._of_exam(exam_hits, labels)
        latest = self.weights * (self.seen - self.newest < RECENT)
        share = torch.where(asked > 0, LATEST, 1.0) * (latest > 0)
        rates = share * self.hits / latest.clamp_min(TINY) + (1 - share) * of_exam / asked.clamp_min(TINY)
        return rates, Basis(latest, asked, share)

    def _variances(
        self, pair: tuple[int, int], one: Tensor, other: Tensor, labels: Tensor, basis: Basis
    ) -> Tensor:
        """Of the difference of two rates, by class [classes]. Both were asked the same: chance counts only
        where they differ. On the exam (`one` and `other` [n] bool) it is known where; of the latest examples
        they are taken to share as much. Few are never quite sure: as if of two more one was right."""
        known = labels < len(self.weights) if bool(basis.asked.any()) else torch.zeros_like(labels).bool()
        differ = (one != other)[known].float()
        first, second = ((hits[known].sum() + 1) / (len(differ) + 2) for hits in (one, other))
        by_chance = first * (1 - second) + second * (1 - first)
        kept = ((differ.sum() + 1) / (by_chance * len(differ) + 1)).clamp_max(1.0)
        share = (differ.sum() + 2 * by_chance) / (len(differ) + 2)
        of_class = torch.zeros(len(self.weights)).index_add_(0, labels[known], differ)
        of_exam = (of_class + share) / (basis.asked + 1) / basis.asked.clamp_min(TINY)
        right = (self.hits[list(pair)] + 1) / (self.weights + 2)
        of_latest = kept * (right * (1 - right)).sum(0) / basis.latest.clamp_min(TINY)
        return basis.share**2 * of_latest + (1 - basis.share) ** 2 * of_exam

    def _of_exam(self, exam_hits: Mapping[str, Tensor], labels: Tensor) -> tuple[Tensor, Tensor]:
        """Hits [answerers, classes] on the exam, and its examples [classes]; none for a while after a
        change of meaning."""
        classes = len(self.weights)
        right, asked = torch.zeros(len(self.answerers), classes), torch.zeros(classes)
        if self.seen - self.changed < RECENT:
            return right, asked
        known = labels < classes
        for name, hits in exam_hits.items():
            right[self.answerers.index(name)].index_add_(0, labels[known], hits[known].float())
        return right, asked.index_add_(0, labels[known], torch.ones(int(known.sum())))

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *rest: object) -> None:
        if (hits := state_dict.get(prefix + "hits")) is not None:  # later ones were never right before
            missing = hits.new_zeros(len(self.answerers) - len(hits), hits.shape[1])
            state_dict[prefix + "hits"] = torch.cat([hits, missing])
        for name in ("hits", "weights", "newest"):
            if prefix + name in state_dict:
                setattr(self, name, torch.zeros_like(state_dict[prefix + name]))
        super()._load_from_state_dict(state_dict, prefix, *rest)
