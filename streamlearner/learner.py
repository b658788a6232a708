"""All that is learned from the stream, as one unit: saved, restored and compared byte for byte."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor

from streamlearner.evaluation.exam import GRADING_BATCH, Exam
from streamlearner.evaluation.prequential import Prequential
from streamlearner.evaluation.readout import readout_hits
from streamlearner.evaluation.retention import Grades, RetentionMatrix, grade
from streamlearner.labels import LabelSpace
from streamlearner.lessons import Dream, Lesson, Progress, Verdict
from streamlearner.methods.base import DualMemory, Experience
from streamlearner.predictor import Predictor
from streamlearner.stream import Batch


class Learner:
    """The method and all that must agree with it: label spaces, exam, prequential window, R, versions, dream.

    `make_method` builds a fresh method, the same each time. All of it runs on the one learning thread.
    """

    def __init__(
        self,
        *,
        make_method: Callable[[], DualMemory],
        exam: Exam,
        prequential: Prequential,
        tolerance: float,
        measures_readout: bool,
        uses_tasks: bool,
    ) -> None:
        self._make_method = make_method
        self.method = make_method()
        self.exam = exam
        self.prequential = prequential
        self.tolerance = tolerance
        self.measures_readout = measures_readout
        self.uses_tasks = uses_tasks
        self.labels = LabelSpace()
        self.tasks = LabelSpace()
        self.matrix = RetentionMatrix()
        self.progress = Progress()
        self.grades: Grades | None = None
        self.readout: dict[str, float] = {}
        self.dream: Dream | None = None

    # wake

    def learn(self, batch: Batch) -> Lesson:
        """Withholds some of the batch for the exam; predicts, then learns, each of the others once."""
        inputs, labels, tasks = batch.inputs, self.labels.indices(batch.labels), self._task_indices(batch)
        withheld = self.exam.withhold(inputs, labels, tasks, period=self.progress.period)
        self.progress.withheld += len(withheld)
        if withheld:
            kept = sorted(set(range(len(batch))) - set(withheld))
            inputs, labels, tasks = inputs[kept], labels[kept], None if tasks is None else tasks[kept]
        if not len(labels):
            return Lesson(withheld=len(withheld), learned=0, observation=None)
        observation = self.method.observe(Experience(inputs=inputs, labels=labels, tasks=tasks))
        self.prequential.update((observation.predicted == labels).tolist())
        self.progress.learned += len(labels)
        return Lesson(withheld=len(withheld), learned=len(labels), observation=observation)

    def _task_indices(self, batch: Batch) -> Tensor | None:
        """Indices of the named tasks; None while the stream has never named one (they then cost no bits)."""
        if not self.uses_tasks:
            return None
        if not any(task is not None for task in batch.tasks):
            return torch.full((len(batch),), -1, dtype=torch.int64) if len(self.tasks) else None
        return torch.tensor([-1 if task is None else self.tasks.index(task) for task in batch.tasks])

    # sleep

    @property
    def asleep(self) -> bool:
        return self.dream is not None

    def fall_asleep(self) -> None:
        """Takes the candidate: a clone that remembers what is remembered now."""
        self.dream = self._begin(self.method.clone())

    def _begin(self, candidate: DualMemory) -> Dream:
        start = {name: tensor.clone() for name, tensor in candidate.state_dict().items()}
        return Dream(candidate, self.method.consolidate(candidate), start)

    def consolidate(self, steps: int) -> Verdict | None:
        """The next few steps of the sleep; at its end the candidate sits the exam: the verdict."""
        if (dream := self.dream) is None:
            return None
        for _ in range(steps):
            if next(dream.course, self) is self:
                return self._wake_up(dream)
            dream.steps += 1
        return None

    def _wake_up(self, dream: Dream) -> Verdict:
        """Adopts the candidate where the exam, sat by what would answer, loses no more than the tolerance."""
        before = self.grade().overall
        trial = self.method.clone()
        trial.adopt(dream.candidate)
        after = self._grade(trial).overall
        adopted = before is None or after is None or after >= before - self.tolerance
        if adopted:
            self.method.adopt(dream.candidate)
            self.progress.newest += 1
            self.progress.version = self.progress.newest
        self.progress.adopted += adopted
        self.progress.refused += not adopted
        self._close_period()
        version = self.progress.version
        return Verdict(adopted=adopted, steps=dream.steps, before=before, after=after, version=version)

    def _close_period(self) -> None:
        self.dream = None
        self.matrix.add(self.grade().by_period)
        self.progress.period += 1
        if self.measures_readout:
            self.readout = self._measure_readout()

    def revert(self, *, version: int, neocortex: dict[str, Tensor]) -> None:
        """Answers and learns on from an earlier version's neocortex. A sleep under way is given up."""
        self.dream = None
        self.method.revert(neocortex)
        self.progress.version = version

    # evaluation

    def grade(self) -> Grades:
        """Sits the exam with what answers now, and keeps the grades."""
        self.grades = self._grade(self.method)
        return self.grades

    def _grade(self, method: DualMemory) -> Grades:
        if not method.classes:
            return self._graded(torch.zeros(len(self.exam), dtype=torch.bool))
        return self._graded(self.exam.sit(method.predict_proba, names_tasks=len(self.tasks) > 0))

    def _graded(self, hits: Tensor) -> Grades:
        return grade(hits, labels=self.exam.labels, tasks=self.exam.tasks, periods=self.exam.periods)

    def _measure_readout(self) -> dict[str, float]:
        if len(self.exam) < 2:
            return {}
        parts = torch.split(self.exam.inputs, GRADING_BATCH)
        features = torch.cat([self.method.features(part) for part in parts])
        grades = self._graded(readout_hits(features, self.exam.labels))
        shown = {f"class:{self.labels.label(i)}": share for i, share in grades.by_class.items()}
        shown |= {f"task:{self.tasks.label(i)}": share for i, share in grades.by_task.items()}
        return {"overall": grades.overall or 0.0} | shown

    def predictor(self) -> Predictor:
        """What answers now, under its version: adopted version, a point, examples learned."""
        shape, version = self.exam.input_shape, self.version
        return Predictor(
            method=self.method, labels=self.labels, tasks=self.tasks, version=version, input_shape=shape
        )

    @property
    def version(self) -> str:
        return f"{self.progress.version}.{self.progress.learned}"

    def stored_bits(self) -> dict[str, int]:
        """Bits held for experience, by store."""
        awake = self.method.stored_bits() | {"exam": self.exam.stored_bits}
        return awake | ({"dream": self.dream.stored_bits} if self.dream else {})

    # checkpoint

    def tensors(self) -> dict[str, dict[str, Tensor]]:
        """State as flat tensors, by file."""
        files = {"method": dict(self.method.state_dict()), "exam": dict(self.exam.state_dict())}
        return files | ({"dream": self.dream.start} if self.dream else {})

    def facts(self) -> dict[str, Any]:
        """State as JSON."""
        return {
            "progress": asdict(self.progress),
            "labels": self.labels.state(),
            "tasks": self.tasks.state(),
            "prequential": self.prequential.state(),
            "matrix": self.matrix.state(),
            "readout": self.readout,
            "dream_steps": self.dream.steps if self.dream else None,
        }

    def restore(self, tensors: dict[str, dict[str, Tensor]], facts: dict[str, Any]) -> None:
        """Takes over `tensors()` and `facts()`; a sleep that was under way is dreamt again up to its step."""
        self.labels.restore(facts["labels"])
        self.tasks.restore(facts["tasks"])
        self.prequential.restore(facts["prequential"])
        self.matrix.restore(facts["matrix"])
        self.progress = Progress(**facts["progress"])
        self.readout = facts["readout"]
        self.method.load_state_dict(tensors["method"])
        self.exam.load_state_dict(tensors["exam"])
        if facts["dream_steps"] is not None:
            candidate = self._make_method()
            candidate.load_state_dict(tensors["dream"])
            self.dream = self._begin(candidate)
            self.consolidate(facts["dream_steps"])
        self.grade()
