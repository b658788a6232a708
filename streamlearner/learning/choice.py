"""The choice of who answers, evaluated in pieces between batches: no batch waits for the whole exam."""

from __future__ import annotations

import torch

from streamlearner.evaluation.exam import Exam
from streamlearner.learning.exam_pieces import USUAL, EvaluatedSoFar, piece
from streamlearner.methods.base import DualMemory


class Choice(EvaluatedSoFar):
    """One under way."""

    def evaluate(self, exam: Exam, method: DualMemory, *, names_tasks: bool, beside: int) -> bool:
        """The next piece, beside a batch of so many examples. Whether it was the last one."""
        part = slice(self.place, min(len(exam), self.place + piece(exam) * max(1, beside // USUAL)))
        found = exam.hits_by(method.answers, names_tasks=names_tasks, part=part)
        if self.labels and found and found.keys() != self.hits.keys():  # others may answer now
            self.place, self.labels, self.hits = 0, [], {}
            return False
        for name, hits in found.items():
            self.hits.setdefault(name, []).extend(hits.tolist())
        self.labels += exam.labels[part].tolist()
        self.place = part.stop
        return self.place >= len(exam)

    def make(self, method: DualMemory) -> None:
        """Lets the method choose, by all that was evaluated."""
        names = self.hits or method.answerers  # of an empty exam there are none
        hits = {name: torch.tensor(self.hits.get(name, []), dtype=torch.bool) for name in names}
        method.choose_answerer(hits, torch.tensor(self.labels, dtype=torch.int64))
