"""The most classes and tasks that a stream may open.

An id in the label or task field would otherwise make every example a class or a task of its own, for ever.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from streamlearner.decoding.labels import ClassName
from streamlearner.learning.targets import classes_of, task_of
from streamlearner.stream import Factors, Label

BEYOND = ("classes", "tasks")
"""The reasons of a Reject that would open one too many."""


class Names(Protocol):
    """The classes, or tasks, that were learned or withheld so far (`LabelSpace` is such)."""

    def __len__(self) -> int: ...

    def __contains__(self, name: ClassName, /) -> bool: ...


class Known(NamedTuple):
    """What a stream has opened so far."""

    classes: Names = ()
    tasks: Names = ()


class Most(NamedTuple):
    """What it may open. Without `uses_tasks` the tasks that messages name are passed over; factors are
    not."""

    classes: int
    tasks: int
    uses_tasks: bool = True


NOTHING = Known()


class NameCeiling:
    """Of one batch: which of its examples open no class and no task beyond the most. Known ones pass whatever
    their number, so that a state with more of them goes on."""

    def __init__(self, known: Known, *, most: Most) -> None:
        self._known, self._most = known, most
        self._opened: dict[str, set[ClassName]] = {kind: set() for kind in BEYOND}

    def refusal(self, label: Label | Factors, task: str | None) -> tuple[str, str] | None:
        """The reason why an example is one class or task too many, and the same for a person; None where it
        is not."""
        if self._is_known(label, task):
            return None
        for kind, new in self._new(label, task).items():
            known: Names = getattr(self._known, kind)
            most: int = getattr(self._most, kind)
            if new and len(known) + len(self._opened[kind]) + len(new) > most:
                by_task = kind == "tasks" and task is not None
                found = f"task {str(task)[:80]!r}" if by_task else f"label {str(label)[:80]!r}"
                return kind, (
                    f"{found} would open {kind} beyond limits.max_{kind} ({most}): raise it if these are "
                    f"{kind}, mend the producer if they are ids"
                )
        return None

    def open(self, label: Label | Factors, task: str | None) -> None:
        """The example is learned: its new classes and tasks count from here on."""
        if self._is_known(label, task):
            return
        for kind, new in self._new(label, task).items():
            self._opened[kind] |= new

    def _is_known(self, label: Label | Factors, task: str | None) -> bool:
        """Whether nothing of it can be new, as of nearly all: plain labels are looked up twice, no more."""
        return task is None and isinstance(label, str | int) and label in self._known.classes

    def _new(self, label: Label | Factors, task: str | None) -> dict[str, set[ClassName]]:
        named = task if self._most.uses_tasks else None
        classes: list[ClassName] = list(classes_of(label))
        tasks: set[ClassName] = {within for one in classes if (within := task_of(named, one)) is not None}
        return {
            "classes": {one for one in classes if one not in self._known.classes} - self._opened["classes"],
            "tasks": {one for one in tasks if one not in self._known.tasks} - self._opened["tasks"],
        }
