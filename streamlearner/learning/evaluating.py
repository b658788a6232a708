"""How a method does on the exam: its accuracy, and that of a linear readout of its features."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from streamlearner.associations.contract import Association
from streamlearner.decoding.label_space import LabelSpace
from streamlearner.evaluation.class_means import code_error, hits_of_class_means
from streamlearner.evaluation.exam import Exam
from streamlearner.evaluation.readout import FOLDS, fold_hits
from streamlearner.evaluation.retention import ExamAccuracy, exam_accuracy
from streamlearner.evaluation.withheld import batches
from streamlearner.methods import code_choice
from streamlearner.methods.base import DualMemory, raw, unit_interval
from streamlearner.methods.code_choice import CodeChoice
from streamlearner.methods.remembering import Remembering

EVERY, OFTEN_UNTIL, PER_DOUBLING, SELDOM = 100, 400, 4, 5_000
"""Examples between two choices of who answers, and up to which; then choices until there are twice as many;
and examples between two choices at most."""

COMPARED = 256
"""Examples of the exam on which class means are measured."""
LEAST_CODED = 20
"""Examples of the exam from which on codes may be refused."""


def choices_until(learned: int) -> int:
    """How often it was chosen who answers, once so many examples were learned."""
    rarer = int(PER_DOUBLING * math.log2(max(1.0, learned / OFTEN_UNTIL)))
    return min(learned, OFTEN_UNTIL) // EVERY + rarer + learned // SELDOM


def evaluate(exam: Exam, method: DualMemory, *, names_tasks: bool, by: str | None = None) -> ExamAccuracy:
    """Accuracy of what this method would answer now, or of one of its answerers (`by`); 0 where it knows no
    class yet."""
    if not method.classes:
        return _accuracy(exam, torch.zeros(len(exam), dtype=torch.bool))
    answer = answer_of(method, by)
    return _accuracy(exam, exam.hits(answer, names_tasks=names_tasks))


def answer_of(method: DualMemory, by: str | None) -> Callable[[Tensor, Tensor | None], Tensor]:
    """Probabilities of what this method would answer, or of one of its answerers, for inputs and tasks."""

    def answer(inputs: Tensor, tasks: Tensor | None) -> Tensor:
        if by is None or by == method.route:
            return method.predict_proba(inputs, tasks)
        return method.answers_by(by, inputs, tasks)

    return answer


def beside_class_means(measured: ExamAccuracy, exam: Exam, method: DualMemory) -> ExamAccuracy:
    """The same with what class means are worth, on an even sample of the exam: it is to cost little."""
    if not len(exam):
        return measured
    inputs, labels, tasks = _sample(exam)
    hits, coded = hits_of_class_means(inputs, labels, tasks), method.coded(inputs)
    return replace(
        measured,
        class_means=float(hits.float().mean()),
        code_error=None if coded is None else code_error(inputs, coded, labels),
    )


def second_of_a_class(exam: Exam, withheld: Tensor) -> bool:
    """Whether examples of the classes `withheld` were the second of their class in the exam."""
    return any(int((exam.labels == label).sum()) == 2 for label in withheld)


def refuse_poor_codes(exam: Exam, method: DualMemory) -> CodeChoice | None:
    """Lets a method that remembers codes choose others, where those on an even sample of the exam are worse
    than class means."""
    if len(exam) < LEAST_CODED or not isinstance(method, Remembering):
        return None
    inputs, labels, _ = _sample(exam)

    def error(association: Association) -> float | None:
        return code_error(inputs, raw(association.decode(association.encode(unit_interval(inputs)))), labels)

    return code_choice.refuse_poor_codes(method, error)


def _sample(exam: Exam) -> tuple[Tensor, Tensor, Tensor]:
    """Inputs, labels and tasks of every so manieth example, of `COMPARED` at most."""
    chosen = torch.arange(0, len(exam), max(1, -(-len(exam) // COMPARED)))
    return exam.inputs[chosen], exam.labels[chosen], exam.tasks[chosen]


def choose_answerer(exam: Exam, method: DualMemory, *, names_tasks: bool) -> None:
    """Lets the method choose who answers, by the exam, where it has a choice."""
    if len(method.answerers) < 2:
        return
    hits = exam.hits_by(method.answers, names_tasks=names_tasks)
    none = torch.zeros(0, dtype=torch.bool)
    method.choose_answerer(hits or dict.fromkeys(method.answerers, none), exam.labels)


def measure_readout(
    exam: Exam, method: DualMemory, *, labels: LabelSpace, tasks: LabelSpace
) -> dict[str, float]:
    """Accuracy of a linear probe on frozen features (002, section 3): `overall`, `class:x`, `task:y`; of one
    probe for each factor, where labels have several. Empty for an exam of fewer than two examples."""
    if len(exam) < 2:
        return {}
    features = torch.cat([method.features(exam.read(part)) for part in batches(len(exam))])
    hits = torch.zeros(len(exam), dtype=torch.bool)
    for fold in range(FOLDS):
        tested, right = readout_fold(features, exam.labels, labels=labels, fold=fold)
        hits[tested] = right
    return readout_document(_accuracy(exam, hits), labels=labels, tasks=tasks)


def readout_fold(
    features: Tensor, targets: Tensor, *, labels: LabelSpace, fold: int
) -> tuple[Tensor, Tensor]:
    """Of examples with `features` [n, f] and classes `targets` [n] those of one fold (`readout.FOLDS`),
    places [m], and which of them are classified right, [m] bool, by a probe that was fitted to the others."""
    found = []
    for classes in labels.factors.values():
        among = torch.isin(targets, torch.tensor(classes)).nonzero().flatten()
        tested, right = fold_hits(features[among], targets[among], fold=fold)
        found.append((among[tested], right))
    places, rights = zip(*found, strict=True)
    return torch.cat(places), torch.cat(rights)


def readout_document(accuracy: ExamAccuracy, *, labels: LabelSpace, tasks: LabelSpace) -> dict[str, float]:
    """By slice: `overall`, `class:x`, `task:y`."""
    by_slice = {f"class:{labels.name(i)}": one for i, one in accuracy.by_class.items()}
    by_slice |= {f"task:{tasks.name(i)}": one for i, one in accuracy.by_task.items()}
    return {"overall": accuracy.overall or 0.0} | by_slice


def _accuracy(exam: Exam, hits: Tensor) -> ExamAccuracy:
    return exam_accuracy(hits, labels=exam.labels, tasks=exam.tasks, periods=exam.periods)
