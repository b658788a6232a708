"""The exam sat by a method: its grades, and what a linear readout of its features knows."""

from __future__ import annotations

import torch
from torch import Tensor

from streamlearner.decoding.labels import LabelSpace
from streamlearner.evaluation.exam import GRADING_BATCH, Exam
from streamlearner.evaluation.readout import readout_hits
from streamlearner.evaluation.retention import Grades, grade
from streamlearner.methods.base import DualMemory


def sit(exam: Exam, method: DualMemory, *, names_tasks: bool) -> Grades:
    """The grades of what this method would answer now; nothing right, where it knows no class yet."""
    if not method.classes:
        return _graded(exam, torch.zeros(len(exam), dtype=torch.bool))
    return _graded(exam, exam.sit(method.predict_proba, names_tasks=names_tasks))


def read_out(exam: Exam, method: DualMemory, *, labels: LabelSpace, tasks: LabelSpace) -> dict[str, float]:
    """Accuracy of a linear probe on frozen features (002, section 3): `overall`, `class:x`, `task:y`; of one
    probe for each factor, where labels have several. Empty for an exam of fewer than two examples."""
    if len(exam) < 2:
        return {}
    parts = torch.split(exam.inputs, GRADING_BATCH)
    features = torch.cat([method.features(part) for part in parts])
    hits, named = torch.zeros(len(exam), dtype=torch.bool), exam.labels
    for classes in labels.factors.values():
        among = torch.isin(named, torch.tensor(classes))
        hits[among] = readout_hits(features[among], named[among])
    grades = _graded(exam, hits)
    shown = {f"class:{labels.label(i)}": share for i, share in grades.by_class.items()}
    shown |= {f"task:{tasks.label(i)}": share for i, share in grades.by_task.items()}
    return {"overall": grades.overall or 0.0} | shown


def _graded(exam: Exam, hits: Tensor) -> Grades:
    return grade(hits, labels=exam.labels, tasks=exam.tasks, periods=exam.periods)
