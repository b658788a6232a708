"""Erasures as the daemon does them, between two batches, and what became of the last ones."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from streamlearner.daemon.intake import TakenErasure
from streamlearner.daemon.persistence import Persistence
from streamlearner.daemon.state import DaemonState
from streamlearner.decoding.erasures import Erasure
from streamlearner.decoding.label_space import LabelSpace
from streamlearner.learning.erasing import Erased, erase
from streamlearner.learning.targets import classes_of
from streamlearner.serving import Conflict

LAST = 1_000
"""Results that are kept, for those who asked."""


class Erasures:
    """Results by the place of the message, or the number of the request, with how many checkpoints had been
    saved by then. Of the learning thread."""

    def __init__(self, state: DaemonState, persistence: Persistence) -> None:
        self._state, self._persistence = state, persistence
        self._results: OrderedDict[str, tuple[dict[str, Any], int]] = OrderedDict()
        self._requests = 0

    def carry_out(self, taken: Sequence[TakenErasure]) -> None:
        """Erases, one after the other; checkpoints without it then replace all that are kept."""
        for one in taken:
            learner = self._state.learner
            found = (
                Erased() if learner is None else erase(learner, one.erasure, learned=one.since is not None)
            )
            if one.erasure.corrects:  # nobody asked that nothing of it be left
                continue
            self._state.events.erased(one.erasure, found, classes=self._classes(one.erasure))
            self._results[one.erasure.where] = self._document(one, found), self._persistence.saves
            if len(self._results) > LAST:
                self._results.popitem(last=False)
            self._persistence.renew()

    def request(self, erasure: Erasure) -> str:
        """Erases at once, where the source cannot carry the erasure; the place of the result. Raises
        `Conflict` before anything was taken from the stream, as no checkpoint could hold it."""
        if self._state.position is None:
            raise Conflict("nothing was taken from the stream yet: there is nothing to erase")
        self._requests += 1
        erasure = replace(erasure, where=f"request {self._requests}")
        self.carry_out([TakenErasure(erasure, since=self._state.intake.note(erasure))])
        return erasure.where

    def result(self, where: str) -> dict[str, Any] | None:
        """None before it was carried out. `durable`: a checkpoint without it was saved, and
        `checkpoints_renewed`: all that are kept are such."""
        if (found := self._results.get(where)) is None:
            return None
        document, before = found
        since = self._persistence.saves - before
        renewed = since >= self._persistence.checkpoints.keep
        return document | {"durable": since > 0, "checkpoints_renewed": renewed}

    def _classes(self, erasure: Erasure) -> list[str]:
        """Names of those that an erasure by label is of; none was known before anything was learned."""
        labels = LabelSpace() if self._state.learner is None else self._state.learner.labels
        named = () if erasure.label is None else classes_of(erasure.label)
        return [labels.name(place) for one in named if (place := labels.find(one)) is not None]

    def _document(self, taken: TakenErasure, found: Erased) -> dict[str, Any]:
        """`kept_versions`: those that may have seen it."""
        progress = self._state.learner.progress if self._state.learner else None
        withheld = taken.erasure.id is not None and found.exam and not found.removed.recollections
        kept = [] if withheld else self._persistence.versions.numbers()
        return {
            "by": taken.erasure.by,
            "name": taken.erasure.name,
            "known": found.known or taken.just_came > 0,
            "removed": found.document(),
            "present_version": progress.version if progress else 0,
            "kept_versions": [version for version in kept if version > (taken.since or 0)],
        }
