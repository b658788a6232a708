"""The most classes that a stream may open.

An id in the label field would otherwise make every example a class of its own, for ever.
"""

from __future__ import annotations

from typing import Protocol

from streamlearner.decoding.labels import ClassName
from streamlearner.learning.targets import classes_of
from streamlearner.stream import Factors, Label

BEYOND = "classes"
"""The reason of a Reject whose label would be a class too many."""


class KnownClasses(Protocol):
    """The classes that were learned or withheld so far (`LabelSpace` is such)."""

    def __len__(self) -> int: ...

    def __contains__(self, label: ClassName, /) -> bool: ...


class ClassCeiling:
    """Of one batch: which of its examples open no class beyond the first `most`. Known classes pass whatever
    their number, so that a state with more of them goes on."""

    def __init__(self, known: KnownClasses, *, most: int) -> None:
        self._known, self._most = known, most
        self._opened: set[ClassName] = set()

    def refusal(self, label: Label | Factors) -> str | None:
        """Why an example of this label is one class too many, for a person; None where it is not."""
        new = self._new(label)
        if not new or len(self._known) + len(self._opened) + len(new) <= self._most:
            return None
        return (
            f"label {str(label)[:80]!r} would be a new class beyond limits.max_classes ({self._most}): raise "
            "it if these are classes, mend the producer if they are ids"
        )

    def open(self, label: Label | Factors) -> None:
        """The example is learned: its new classes count from here on."""
        self._opened |= self._new(label)

    def _new(self, label: Label | Factors) -> set[ClassName]:
        return {one for one in classes_of(label) if one not in self._known and one not in self._opened}
