"""How a consolidation ends: it is judged by the exam, adopted or refused, and what came of it is measured.

An exam of one piece is evaluated at once. Of a larger one a piece takes the turn of a few steps: the stream,
if it goes on meanwhile, waits for no more, and each piece is answered by what the method is then.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from torch import Tensor

from streamlearner.evaluation.retention import ExamAccuracy
from streamlearner.learning import evaluating
from streamlearner.learning.choice import Choice
from streamlearner.learning.consolidation import Consolidation
from streamlearner.learning.evaluating import answer_of
from streamlearner.learning.exam_pieces import (
    ACCURACY,
    CLASS_MEANS,
    READOUT,
    USUAL,
    Measuring,
    PartialEvaluation,
)
from streamlearner.learning.observing import Observing
from streamlearner.learning.probing import Probing
from streamlearner.learning.results import ConsolidationResult
from streamlearner.methods.base import DualMemory

BEFORE, AFTER, NOW = "before", "after", "now"


class Ending(Observing):
    """The part of a learner that ends consolidations."""

    _judged: Callable[..., ConsolidationResult]
    significance: float
    probing: Probing | None = None
    """Of the readout, while it is measured. No part of the state."""

    def _end_consolidation(self, ended: Consolidation, *, pieces: int) -> ConsolidationResult | None:
        """Judges it at once, where the exam is small; else begins to, with so many pieces."""
        if self.in_pieces:
            ended.finish()
            self.judging = PartialEvaluation()
            return self._judge(pieces) if pieces else None
        trial, taught = self._trial(ended), self.method.taught_in_sleep
        before, after = (self._evaluate(method, by=taught) for method in (self.method, trial))
        result = self._adopt_or_refuse(ended, before, after)
        if result.adopted:
            self.choose_answerer()
        self.measuring = Measuring(adds_row=ended.transplant is None)
        self.finish_measuring()
        return result

    def _trial(self, ended: Consolidation) -> DualMemory:
        """The method as it would be."""
        trial = self.method.candidate()
        ended.try_on(trial)
        return trial

    def _judge(self, pieces: int) -> ConsolidationResult | None:
        """The next few pieces of the exam; after the last one the result."""
        assert self.judging is not None and self.consolidation is not None
        trial, ended = self._trial(self.consolidation), self.consolidation
        answers = {
            name: answer_of(method, self.method.taught_in_sleep)
            for name, method in ((BEFORE, self.method), (AFTER, trial))
        }

        def both(inputs: Tensor, tasks: Tensor | None) -> dict[str, Tensor]:
            return {name: answer(inputs, tasks) for name, answer in answers.items()}

        for _ in range(pieces):
            if self.judging.evaluate(self.exam, both, names_tasks=len(self.tasks) > 0, shared_by=2):
                break
        else:
            return None
        before, after = (self.judging.accuracy(name) for name in (BEFORE, AFTER))
        result = self._adopt_or_refuse(ended, before, after)
        if result.adopted:
            self.choice = Choice()
        self.measuring = Measuring(adds_row=ended.transplant is None)
        return result

    def _adopt_or_refuse(
        self, ended: Consolidation, before: ExamAccuracy, after: ExamAccuracy
    ) -> ConsolidationResult:
        """Adopts the candidate unless who is taught in sleep would do worse on the exam (`judged`). Each
        sleep closes a period, adopted or not. (A transplant does not: periods divide the stream.)"""
        level = 1.0 if ended.transplant else self.significance  # another network must be no worse
        result = ended.checked(
            self._judged(before, after, significance=level, steps=ended.steps, name=self.labels.name)
        )
        if result.adopted:
            ended.transfer_to(self.method)
            ended.rebuild_sums(self.method)
            self.progress.newest += 1
            self.progress.version = self.progress.newest
        result = replace(result, version=self.progress.version)
        self.consolidation = self.judging = None
        if ended.transplant is not None:
            self.network = ended.transplant.to if result.adopted else self.network
            return ended.transplant.end(result)
        self.progress.adopted += result.adopted
        self.progress.refused += not result.adopted
        self.last_sleep = result.document()
        self.progress.period += 1
        return result

    def finish_measuring(self) -> None:
        """What is left to measure, at once."""
        while self.measuring is not None:
            self.measure(1)

    def measure(self, pieces: int) -> None:
        """The next few pieces of what is measured after a consolidation, if anything is left."""
        for _ in range(pieces):
            if (now := self.measuring) is None:
                return
            if self.choice is not None:
                self._grade_next(beside=USUAL)
            elif now.stage == ACCURACY:
                self._measure_accuracy(now)
            elif now.stage == CLASS_MEANS:
                assert self.exam_accuracy is not None
                self.exam_accuracy = evaluating.beside_class_means(self.exam_accuracy, self.exam, self.method)
                now.stage, now.evaluation = READOUT, PartialEvaluation()
            else:
                self._probe()

    def _measure_accuracy(self, now: Measuring) -> None:
        if self.in_pieces and self.method.classes:
            if not now.evaluation.evaluate(self.exam, self._answers_now, names_tasks=len(self.tasks) > 0):
                return
            measured = now.evaluation.accuracy(NOW)
        else:
            measured = self._evaluate(self.method)
        self.exam_accuracy = replace(measured, as_of=self.progress.learned)
        if now.adds_row:
            self.matrix.add(measured.by_period)
        now.stage = CLASS_MEANS

    def _probe(self) -> None:
        """The next piece of the readout; all of it, where the exam is small."""
        if self.in_pieces and self.measures_readout:
            self.probing = self.probing or Probing(self.method)
            if not self.probing.probe(self.exam, labels=self.labels):
                return
            self.heed_readout(self.probing.found(labels=self.labels, tasks=self.tasks))
        else:
            self.measure_readout()
        self.measuring = self.probing = None

    def finish_probing(self) -> None:
        """What is left of a readout that was begun, at once: call it before what is learned is saved."""
        while self.probing is not None:
            self._probe()

    def _answers_now(self, inputs: Tensor, tasks: Tensor | None) -> dict[str, Tensor]:
        return {NOW: self.method.predict_proba(inputs, tasks)}
