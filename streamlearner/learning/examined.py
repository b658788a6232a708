"""A learner that sits its exam: what answers now, what a candidate would answer, and who is to answer."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from streamlearner.evaluation.retention import ExamAccuracy
from streamlearner.learning import evaluating
from streamlearner.learning.choice import Choice
from streamlearner.learning.evaluating import choices_until
from streamlearner.learning.exam_pieces import PartialEvaluation, piece
from streamlearner.learning.learner_state import LearnerState
from streamlearner.methods.base import DualMemory
from streamlearner.methods.code_choice import CodeChoice


class Examined(LearnerState):
    """The part of a learner that measures; it learns nothing."""

    exam_accuracy: ExamAccuracy | None
    measures_readout: bool
    evaluation: PartialEvaluation | None = None
    """On the exam, while it is under way."""

    def evaluate(self) -> ExamAccuracy:
        """Measures accuracy on the exam of what answers now, and keeps it in `exam_accuracy`."""
        measured = replace(self._evaluate(self.method), as_of=self.progress.learned)
        self.exam_accuracy = evaluating.beside_class_means(measured, self.exam, self.method)
        self.evaluation = None
        return self.exam_accuracy

    @property
    def absent_classes(self) -> set[str]:
        """Names of classes of which nothing is known, and no exam example held: those that were erased, and
        did not come again."""
        known = {*self.method.seen_classes.seen[-1].nonzero()[:, 0].tolist(), *self.exam.labels.tolist()}
        names = [(index in known, self.labels.name(index)) for index in range(len(self.labels))]
        return {name for here, name in names if not here} - {name for here, name in names if here}

    def begin_evaluation(self) -> None:
        """Measures the same: at once, where the exam is small, else in pieces beside the next batches. None
        of it is state: after a restart it is measured at once."""
        if not self.in_pieces or not self.method.classes:
            self.evaluate()
        else:
            self.evaluation = PartialEvaluation()

    def evaluate_next(self) -> None:
        """The next piece of an evaluation that was begun."""
        if (begun := self.evaluation) is None:
            return
        if begun.place < len(self.exam):
            answer = evaluating.answer_of(self.method, None)
            begun.evaluate(
                self.exam, lambda inputs, tasks: {"": answer(inputs, tasks)}, names_tasks=len(self.tasks) > 0
            )
            return
        measured = replace(begun.accuracy(""), as_of=self.progress.learned)
        self.exam_accuracy = evaluating.beside_class_means(measured, self.exam, self.method)
        self.evaluation = None

    def _evaluate(self, method: DualMemory, *, by: str | None = None) -> ExamAccuracy:
        return evaluating.evaluate(self.exam, method, names_tasks=len(self.tasks) > 0, by=by)

    def measure_readout(self) -> None:
        if self.measures_readout:
            found = evaluating.measure_readout(self.exam, self.method, labels=self.labels, tasks=self.tasks)
            self.heed_readout(found)

    def heed_readout(self, found: dict[str, float]) -> None:
        """Keeps what a readout found, and tells the method."""
        self.readout = found
        if "overall" in found:
            self.method.heed_readout(found["overall"])

    @property
    def in_pieces(self) -> bool:
        """Whether the exam is so large that it is evaluated piece by piece."""
        return len(self.exam) > piece(self.exam)

    def _choose_anew(self, before: int, withheld: Tensor) -> CodeChoice | None:
        """Who answers and, where its codes are poor, how the method codes, where that is due: `before`
        examples were learned before the last batch, and examples of the classes `withheld` were."""
        due = choices_until(self.progress.learned) > choices_until(before)
        if due and self.choice is None and len(self.method.answerers) > 1:
            self.choice = Choice()
        if self.choice is None:
            self.evaluate_next()
        elif self.measuring is None and self.judging is None:  # else it has its turn there, or afterwards
            self._grade_next(beside=self.progress.learned - before)
        if not due and not evaluating.second_of_a_class(self.exam, withheld):
            return None
        if code := evaluating.refuse_poor_codes(self.exam, self.method):
            self.refused_codes = {"count": (self.refused_codes or {}).get("count", 0) + 1, **code.document()}
        return code

    def _grade_next(self, *, beside: int) -> None:
        """The next piece of the choice under way; after the last one the choice."""
        assert self.choice is not None
        names_tasks = len(self.tasks) > 0
        if self.choice.evaluate(self.exam, self.method, names_tasks=names_tasks, beside=beside):
            self.choice.make(self.method)
            self.choice = None

    def choose_answerer(self) -> None:
        """At once, on the whole exam: what was evaluated for a choice under way was of another network."""
        self.choice = None
        evaluating.choose_answerer(self.exam, self.method, names_tasks=len(self.tasks) > 0)
