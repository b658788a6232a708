"""The readout in pieces: the features of the exam, a few examples at a time, and then fold by fold."""

from __future__ import annotations

import torch
from torch import Tensor

from streamlearner.decoding.label_space import LabelSpace
from streamlearner.evaluation.exam import Exam
from streamlearner.evaluation.readout import FOLDS
from streamlearner.learning import evaluating
from streamlearner.learning.exam_pieces import PartialEvaluation, piece
from streamlearner.methods.base import DualMemory

HIT = "hit"


class Probing:
    """One under way: of the network as it was when this began, whatever is learned meanwhile.

    It is never saved, as features are not to be kept: no checkpoint is due for those few turns, and one that
    is asked for has the rest measured first.
    """

    def __init__(self, method: DualMemory) -> None:
        self._frozen = method.frozen()
        self._seen, self._features, self._fold = PartialEvaluation(), list[Tensor](), 0
        self._hits = torch.zeros(0, dtype=torch.bool)

    def probe(self, exam: Exam, *, labels: LabelSpace) -> bool:
        """The next piece. Whether it was the last one."""
        if not self._fold and self._seen.place < len(exam):
            first = self._seen.place
            part = slice(first, min(len(exam), first + piece(exam)))
            self._features.append(self._frozen.features(exam.read(part)))
            self._seen.add(exam, torch.arange(part.start, part.stop), {})
            self._seen.place = part.stop
            return False
        if not self._fold:
            self._hits = torch.zeros(len(self._seen.labels), dtype=torch.bool)
        targets = torch.tensor(self._seen.labels)
        tested, right = evaluating.readout_fold(
            torch.cat(self._features), targets, labels=labels, fold=self._fold
        )
        self._hits[tested] = right
        self._fold += 1
        return self._fold >= FOLDS

    def found(self, *, labels: LabelSpace, tasks: LabelSpace) -> dict[str, float]:
        """Accuracies by slice, as of `evaluating.measure_readout`."""
        self._seen.hits[HIT] = self._hits.tolist()
        return evaluating.readout_document(self._seen.accuracy(HIT), labels=labels, tasks=tasks)
