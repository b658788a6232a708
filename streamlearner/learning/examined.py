"""A learner that sits its exam: what answers now, what a candidate would answer, and who is to answer."""

from __future__ import annotations

from dataclasses import replace

from streamlearner.evaluation.retention import ExamAccuracy
from streamlearner.learning import grading
from streamlearner.learning.learner_state import LearnerState
from streamlearner.methods.base import DualMemory


class Examined(LearnerState):
    """The part of a learner that measures; it learns nothing."""

    exam_accuracy: ExamAccuracy | None
    measures_readout: bool

    def evaluate(self) -> ExamAccuracy:
        """Measures accuracy on the exam of what answers now, and keeps it in `exam_accuracy`."""
        measured = replace(self._evaluate(self.method), as_of=self.progress.learned)
        self.exam_accuracy = grading.beside_class_means(measured, self.exam, self.method)
        return self.exam_accuracy

    @property
    def absent_classes(self) -> set[str]:
        """Names of classes of which nothing is known, and no exam example held: those that were erased, and
        did not come again."""
        known = {*self.method.seen_classes.seen[-1].nonzero()[:, 0].tolist(), *self.exam.labels.tolist()}
        names = [(index in known, str(self.labels.label(index))) for index in range(len(self.labels))]
        return {name for here, name in names if not here} - {name for here, name in names if here}

    def _evaluate(self, method: DualMemory, *, by: str | None = None) -> ExamAccuracy:
        return grading.evaluate(self.exam, method, names_tasks=len(self.tasks) > 0, by=by)

    def _measure_readout(self) -> None:
        if self.measures_readout:
            found = grading.measure_readout(self.exam, self.method, labels=self.labels, tasks=self.tasks)
            self.readout = found

    def _choose_answerer(self) -> None:
        grading.choose_answerer(self.exam, self.method, names_tasks=len(self.tasks) > 0)
