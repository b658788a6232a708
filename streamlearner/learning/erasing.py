"""What a learner still holds of an example, a class or a task is removed; what cannot be is named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from streamlearner.decoding.erasures import Erasure, digest_of
from streamlearner.learning import lending
from streamlearner.learning.exam_pieces import PartialEvaluation
from streamlearner.learning.learner import Learner
from streamlearner.learning.targets import classes_of
from streamlearner.methods.experience import Experience, Removed, Selection


@dataclass(frozen=True, slots=True)
class Erased:
    """What an erasure removed of what was learned: of the method, and so many examples of the exam.
    `restarted`: the sleep, or the round of a transplant, that was under way began again without it. `weights`
    are the parts that may still bear its trace. `known`: something of it was there, for certain."""

    removed: Removed = field(default_factory=Removed)
    exam: int = 0
    known: bool = False
    restarted: bool = False
    weights: Sequence[str] = ()

    def document(self) -> dict[str, Any]:
        """For an answer."""
        statistics = {"state": self.removed.statistics, "note": self.removed.note or None}
        return {
            "recollections": self.removed.recollections,
            "recollections_without_id": self.removed.unnamed,
            "exam": self.exam,
            "statistics": statistics,
            "consolidation_restarted": self.restarted,
            "weights": list(self.weights),
        }


def erase(learner: Learner, erasure: Erasure, *, learned: bool) -> Erased:
    """Removes it from memory, exam and statistics; a consolidation that is under way begins again without it.
    `learned`: an example of this id was learned, or withheld, for certain."""
    learner.rerun(learner.owed_steps)
    learner.finish_measuring()
    selections, removed, exam, restarts = _selections(learner, erasure), Removed(), 0, False
    known = learned or any(_is_known(learner, selection) for selection in selections)
    for selection in selections:
        if learner.consolidation and (restarts := restarts or _is_taught(learner, selection)):
            learner.consolidation.close()  # or the memory would set aside for it what is erased
        withheld = learner.exam.erase(id=selection.id, label=selection.label, task=selection.task)
        if withheld or not learned:
            selection = Selection(selection.id, selection.label, selection.task)
        part = learner.method.erase(selection)
        removed, exam = _sum(removed, part), exam + withheld
        _forget_accuracy(learner, selection)
    if learner.judging is not None:
        learner.judging = PartialEvaluation()
    if restarts:
        learner.restart_consolidation()
    if exam or erasure.id is None:
        learner.evaluate()
    known = known or bool(exam or removed.recollections)
    return Erased(removed, exam, known, restarts, tuple(learner.method.parameter_bits()))


def _is_known(learner: Learner, selection: Selection) -> bool:
    """Whether examples of this class, or task, were learned and not erased since. (Of an id that is known
    only where it is remembered: `learned`.)"""
    seen = learner.method.seen_classes.seen
    if selection.task is not None:
        return bool(seen[:-1][selection.task : selection.task + 1].any())
    label = selection.label
    return label is not None and bool(seen[-1, label : label + 1].any())


def _is_taught(learner: Learner, selection: Selection) -> bool:
    """Whether the sleep, or transplant, that is under way learns from what is to be erased, as far as can be
    told: where its steps were taken ahead it reads no recollections any more; then the method's are asked."""
    current, id = learner.consolidation, selection.id
    if current is None or id is None:
        return current is not None
    asked = learner.method if current.taught else current.candidate
    return any(memory.holds(id) for memory in lending.memories(asked).values())


def _selections(learner: Learner, erasure: Erasure) -> list[Selection]:
    """One; of a label with several factors one for each; none for what never came."""
    if erasure.id is not None:
        return [Selection(id=digest_of(erasure.id), example=_example(learner, erasure))]
    if erasure.label is not None:
        found = [learner.labels.find(one) for one in classes_of(erasure.label)]
        return [Selection(label=index) for index in found if index is not None]
    named = erasure.task or ""
    every = map(str, learner.tasks.state())
    within = [name for name in every if name == named or name.startswith(f"{named}/")]  # of a factor
    indices = [learner.tasks.find(name) for name in within]
    return [Selection(task=index) for index in indices if index is not None]


def _example(learner: Learner, erasure: Erasure) -> Experience | None:
    """The one that the erasure carries, with all its classes that are known. With missing numbers it was
    learned as nobody can tell any more."""
    if erasure.input is None or erasure.input_label is None or not bool(erasure.input.isfinite().all()):
        return None
    found = [learner.labels.find(one) for one in classes_of(erasure.input_label)]
    classes = [index for index in found if index is not None]
    if not classes:
        return None
    inputs = erasure.input[None].expand(len(classes), *erasure.input.shape)
    seen = inputs if learner.eye is None else learner.eye.see(inputs, alike=True)
    return Experience(seen, torch.tensor(classes))


def _sum(one: Removed, other: Removed) -> Removed:
    return Removed(
        one.recollections + other.recollections,
        max(one.unnamed, other.unnamed),
        other.statistics,
        other.note,
    )


def _forget_accuracy(learner: Learner, selection: Selection) -> None:
    if selection.label is not None:
        learner.served.forget(selection.label)
        learner.no_change.forget(selection.label)
