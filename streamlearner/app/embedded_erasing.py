"""Erasure inside a program."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from numpy.typing import ArrayLike

from streamlearner.app.embedded_state import EmbeddedState
from streamlearner.decoding.arrays import read_labels
from streamlearner.decoding.erasures import Erasure
from streamlearner.decoding.labels import parse_text
from streamlearner.errors import InvalidInput
from streamlearner.stream import Label


class Erasing:
    """The part of a `Learner` that takes back what was learned."""

    _state: EmbeddedState

    def erase(
        self,
        id: str | int | None = None,
        *,
        label: Label | None = None,
        task: str | None = None,
        x: ArrayLike | Mapping[str, Any] | None = None,
        y: Label | None = None,
    ) -> dict[str, Any]:
        """Takes back what was learned of one example by its id, of a label, or of a task; an erased id is not
        learned again. `x` and `y` may be the example of that id, so that its part in sums can be subtracted.

        Returns what was removed, as `DELETE /v1/examples` has it under `removed`; `weights` names the parts
        that may still bear its trace. Checkpoints that were saved before still hold it: save, and delete
        them. Raises `InvalidInput`.

        >>> import numpy as np
        >>> from streamlearner import Learner
        >>> learner = Learner(seed=0)
        >>> X = np.random.default_rng(0).normal(size=(40, 3))
        >>> learner.learn_many(X, ["left", "right"] * 20, ids=[f"row {i}" for i in range(40)])
        >>> removed = learner.erase("row 7")
        >>> removed["recollections"] + removed["exam"]
        1
        """
        if sum(given is not None for given in (id, label, task)) != 1:
            raise InvalidInput("erase", "expected an id, or a label, or a task: one of them")
        erasure = Erasure(
            id=None if id is None else parse_text(id, "id"),
            label=None if label is None else read_labels([label], count=1)[0],
            task=None if task is None else parse_text(task, "task"),
        )
        if id is not None and x is not None and y is not None:
            input, (input_label,) = self._state.read_input(x)[0], read_labels([y], count=1)
            erasure = replace(erasure, input=input, input_label=input_label)
        return self._state.erase(erasure).document()
