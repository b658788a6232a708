"""The choice of who answers, evaluated in pieces between batches: no batch waits for the whole exam."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch

from streamlearner.evaluation.exam import Exam
from streamlearner.learning.exam_pieces import USUAL, piece
from streamlearner.methods.base import DualMemory


@dataclass
class Choice:
    """One under way. Part of the state: a restart goes on with the same piece. `labels` of the examples that
    were evaluated so far, and `hits` on them by answerer; `place` of the next one in the exam."""

    place: int = 0
    labels: list[int] = field(default_factory=list)
    hits: dict[str, list[bool]] = field(default_factory=dict)

    @classmethod
    def restored(cls, state: Mapping[str, Any] | None) -> Choice | None:
        return None if state is None else cls(**state)

    def state(self) -> dict[str, Any]:
        """JSON."""
        return asdict(self)

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
        hits = {name: torch.tensor(self.hits.get(name, []), dtype=torch.bool) for name in method.answerers}
        method.choose_answerer(hits, torch.tensor(self.labels, dtype=torch.int64))
