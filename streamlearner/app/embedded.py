"""Learning inside a program: all that a daemon learns with, without the daemon."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from streamlearner.app.embedded_erasing import Erasing
from streamlearner.app.embedded_settings import settings_of_checkpoint, settings_of_program
from streamlearner.app.embedded_state import EmbeddedState, SleepResult, read_checkpoint
from streamlearner.config.given import Settings
from streamlearner.daemon.memory_document import memory_document
from streamlearner.daemon.reports import retention_document
from streamlearner.decoding.arrays import read_labels, read_names
from streamlearner.decoding.batch import Batch
from streamlearner.stream import Label

PREDICTED_AT_ONCE = 256
"""Inputs: bounds the memory that predictions take."""


class Learner(Erasing):
    """Learns continually from labelled examples, inside a budget of bits, in your own process.

    >>> import numpy as np
    >>> from streamlearner import Learner
    >>> draw = np.random.default_rng(0)
    >>> y = np.repeat(["dark", "light"], 300)                   # first all of one class, then all of another
    >>> X = draw.integers(0, 100, (600, 8, 8), dtype=np.uint8)
    >>> X[y == "light"] += 155
    >>> learner = Learner(memory_budget="8 KiB", seed=0)
    >>> learner.learn_many(X, y)
    >>> learner.classes_
    array(['dark', 'light'], dtype='<U5')
    >>> learner.predict_many(X[[0, 599]])
    array(['dark', 'light'], dtype='<U5')
    >>> learner.predict_proba_many(X[:3]).shape
    (3, 2)
    >>> learner.sleep().adopted
    True
    >>> learner.retention()["by_class"]
    {'dark': 1.0, 'light': 1.0}

    `config` is what `load_config` takes: any setting of the daemon. The other arguments are short names of
    the usual ones and come before it: `method.name`, `network.name`, `memory.budget_bits` (bits, or a text
    such as "64 KiB", the default), `sleep.every_examples`, `seed`. Raises `ConfigError`.

    Inputs are [n, H, W] or [n, H, W, C] images, integers 0..255 or floats 0..1, or [n, d] vectors; the first
    that is learned fixes the shape. Labels are texts or integers; new ones may come at any time. Bad ones
    raise `InvalidInput` before anything of the call was learned. An error while learning has a note that
    names the rows (and ids) of the batch, of which a part may be learned: go on from what was saved.

    - **Each example is learned once**, in batches of `daemon.batch_size` (10), in order; what is left over at
      the end of a call is learned at once, as a smaller batch. Some 2 % (`exam.fraction`) are not learned but
      withheld for the exam, which judges each sleep and measures retention.
    - **It sleeps** when you call `sleep`; with `sleep_every` also after so many examples, to the end of the
      sleep. For that, defaults differ from a daemon's: `sleep.every_examples`, `sleep.first_examples` null,
      `sleep.min_examples`, `sleep.steps_per_batch` 0; and `precision` fp32. Settings of what is not here
      (source, serving, threads, checkpoint.every_...) count for nothing.
    - **It is repeatable**: on a CPU, equal calls with equal settings give the same learner bit for bit, the
      one of a daemon that takes the same batches. It draws from no global generator, and sets nothing global.
    - **It is not thread-safe**: one call at a time. (A daemon answers while it learns.)
    """

    def __init__(
        self,
        *,
        method: str | None = None,
        network: str | None = None,
        memory_budget: int | str | None = None,
        sleep_every: int | None = None,
        seed: int | None = None,
        config: Settings = None,
    ) -> None:
        named = {
            "method.name": method,
            "network.name": network,
            "memory.budget_bits": memory_budget,
            "sleep.every_examples": sleep_every,
            "seed": seed,
        }
        self._state = EmbeddedState(settings_of_program(config, named=named))

    def __repr__(self) -> str:
        method, known = self._state.config.method.name, len(self.classes_)
        return f"<Learner {method}: {known} classes from {self.learned} examples>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Learner is not pickled, and so not copied: save it, and load what was saved")

    # learn

    def learn_many(
        self,
        X: ArrayLike,
        y: ArrayLike | Sequence[Label],
        *,
        tasks: Sequence[str | None] | None = None,
        ids: Sequence[str | None] | None = None,
    ) -> None:
        """Learns n labelled examples. `tasks` name the task of each (None: of none): a prediction may be
        restricted to a task's classes. `ids` name examples: one whose id is among the last 10,000
        (`codec.remembered_ids`) is passed over."""
        self._learn(self._state.read_inputs(X), y, tasks, ids)

    def learn_one(
        self, x: ArrayLike | Mapping[str, Any], y: Label, *, task: str | None = None, id: str | None = None
    ) -> None:
        """Learns one example at once, as a batch of its own. (`learn_many` takes less time for each.)

        `x` is an array, or as in River a mapping of feature names to numbers; the first that is learned fixes
        the names, which are kept in alphabetical order.

        >>> learner = Learner(seed=0)
        >>> for x, y in [({"wings": 2, "legs": 2}, "bird"), ({"legs": 6, "wings": 4}, "bee")]:
        ...     guess = learner.predict_one(x)
        ...     learner.learn_one(x, y)
        >>> sorted(learner.predict_proba_one({"legs": 6, "wings": 4}))
        ['bee', 'bird']
        """
        self._learn(self._one(x), [y], [task], [id])
        if isinstance(x, Mapping):
            self._state.features = self._state.features or sorted(x)

    def _learn(self, inputs: torch.Tensor, y: Any, tasks: Any, ids: Any) -> None:
        count = len(inputs)
        whole = Batch(
            inputs=inputs,
            labels=tuple(read_labels(y, count=count)),
            tasks=read_names(tasks, name="task", count=count),
            ids=read_names(ids, name="id", count=count),
        )
        self._state.learn_all(whole)

    # predict

    def predict_many(self, X: ArrayLike, *, task: str | None = None) -> NDArray[Any]:
        """The most probable label of each input: [n], texts or integers (object, where both were learned)."""
        labels: NDArray[Any] = self.classes_[self.predict_proba_many(X, task=task).argmax(axis=1)]
        return labels

    def predict_proba_many(self, X: ArrayLike, *, task: str | None = None) -> NDArray[np.float32]:
        """Probabilities [n, classes] float32, a column for each of `classes_`. `task` restricts the answer to
        the classes seen with it; one that was never seen restricts nothing.

        Raises `NothingLearned` before the first class was learned.

        >>> Learner().predict_proba_many(np.zeros((5, 8, 8)))
        Traceback (most recent call last):
        ...
        streamlearner.errors.NothingLearned: nothing has been learned yet: there is no class to predict
        """
        predictor, inputs = self._state.predictor(), self._state.read_inputs(X)
        parts = [predictor.predict_proba(part, task=task) for part in torch.split(inputs, PREDICTED_AT_ONCE)]
        scores: NDArray[np.float32] = torch.cat(parts).numpy()
        return scores

    def predict_one(self, x: ArrayLike | Mapping[str, Any], *, task: str | None = None) -> Label | None:
        """The most probable label; None before anything was learned, as in River."""
        scores = self.predict_proba_one(x, task=task)
        return max(scores, key=scores.__getitem__, default=None)

    def predict_proba_one(
        self, x: ArrayLike | Mapping[str, Any], *, task: str | None = None
    ) -> dict[Label, float]:
        """The probability of each label; {} before anything was learned, as in River."""
        if not len(self.classes_):
            return {}
        (scores,) = self._state.predictor().predict_proba(self._one(x), task=task).tolist()
        return dict(zip(self.classes_.tolist(), scores, strict=True))

    @property
    def classes_(self) -> NDArray[Any]:
        """The labels learned so far, in the order in which they came: it grows at its end."""
        if (learner := self._state.learner) is None:
            return np.array([], dtype=object)
        labels = [learner.labels.label(index) for index in range(learner.method.classes)]
        kinds = {type(label) for label in labels}
        return np.array(labels, dtype=None if len(kinds) == 1 else object)

    def _one(self, x: ArrayLike | Mapping[str, Any]) -> torch.Tensor:
        return self._state.read_input(x)

    # sleep

    def sleep(self) -> SleepResult:
        """Consolidates now, to the end: the neocortex is taught from what is remembered, and adopted or
        refused by the exam. (Where a daemon saved amid a sleep: the rest of that one.) Raises
        `NothingLearned` before the first example was learned."""
        return self._state.sleep()

    # figures

    @property
    def learned(self) -> int:
        """Examples learned so far, without those withheld for the exam or passed over."""
        return self._state.learner.progress.learned if self._state.learner else 0

    def retention(self) -> dict[str, Any]:
        """What is still known, measured now on the withheld examples, as `GET /v1/retention` has it:
        fractions under `overall`, `by_class`, `by_period` (a sleep ends each), `matrix` and others."""
        if self._state.learner is not None:
            self._state.learner.evaluate()
        return retention_document(self._state.learner)

    def memory(self) -> dict[str, Any]:
        """What remembering costs, as `GET /v1/memory` has it: `budget_bits`, `stored_bits` by store,
        `parameter_bits` by module, `recollections` and others."""
        return memory_document(self._state.learner, budget_bits=self._state.config.memory.budget_bits)

    # state

    def save(self, path: str | os.PathLike[str]) -> None:
        """Adds a checkpoint to the folder `path`, durable when this returns; a crash half-way leaves the ones
        before. The last three (`checkpoint.keep`) stay, and `load` takes the newest.

        The folder is a daemon's `state_dir`: with the same settings a daemon goes on from it, its stream read
        from the beginning; or from where it was, where the learner was loaded from a daemon's. Raises
        `StateInUse` where a daemon runs on it, `CheckpointError` where the disk refuses.
        """
        self._state.save(Path(path))

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, config: Settings = None) -> Learner:
        """A learner that goes on from the newest checkpoint in `path`, bit for bit as if never saved.

        `path` may be the `state_dir` of a daemon, even of one that runs. Settings, the schedule of sleeps
        among them, are those that it learned with; `config` sets some anew. Raises `CheckpointError` where
        there is no checkpoint, `NoReadableCheckpoint` where none is intact, `ConfigError` for settings that
        do not fit.

        >>> import tempfile
        >>> learner = Learner(seed=0)
        >>> learner.learn_one([0.5, 1.5], "left")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     learner.save(folder)
        ...     Learner.load(folder).predict_one([0.5, 1.5])
        'left'
        """
        found = read_checkpoint(Path(path))
        learner = cls(config=settings_of_checkpoint(found, folder=Path(path), config=config))
        learner._state.restore(found)
        return learner
