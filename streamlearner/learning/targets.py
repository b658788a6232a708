"""What is to be learned of a batch: one target for each example, or for each factor that its label names.

A factor is a task, and a class of it is the pair of factor and value: so each factor has a head of its own in
the one open network, and methods, exam and memory need to know of tasks alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from streamlearner.decoding.batch import Batch
from streamlearner.decoding.erasures import digest_of
from streamlearner.decoding.label_space import LabelSpace
from streamlearner.decoding.labels import ClassName, FactorValue
from streamlearner.stream import Factors, Label


class Targets(NamedTuple):
    """The example that each target belongs to, [m] from 0 and ascending; its class [m]; its task [m] (-1:
    none), or None while the stream has named none; the digest of its id [m] (0: none), or None where no
    example of the batch has one."""

    examples: Tensor
    labels: Tensor
    tasks: Tensor | None
    ids: Tensor | None

    def select(self, chosen: Tensor | slice) -> Targets:
        """Those at these places, or where this is True."""
        tasks = None if self.tasks is None else self.tasks[chosen]
        ids = None if self.ids is None else self.ids[chosen]
        return Targets(self.examples[chosen], self.labels[chosen], tasks, ids)

    def one_each(self, turn: int) -> Targets:
        """One for each example, as the exam takes them: factors take turns over the stream, which has had
        `turn` examples so far."""
        if len(self.examples) == int(self.examples[-1]) + 1:
            return self
        counts = torch.bincount(self.examples)
        first = counts.cumsum(0) - counts
        return self.select(first + (turn + torch.arange(len(counts))) % counts)

    def without(self, examples: list[int]) -> Targets:
        """Those of other examples."""
        return self.select(~torch.isin(self.examples, torch.tensor(examples))) if examples else self


def expand(batch: Batch, *, labels: LabelSpace, tasks: LabelSpace, uses_tasks: bool) -> Targets:
    """The targets of a batch of at least one example, in its order. New classes and tasks are added to the
    label spaces. Without `uses_tasks` the tasks that messages name are passed over; factors are not."""
    names = batch.tasks if uses_tasks else (None,) * len(batch)
    plain = [label for label in batch.labels if isinstance(label, str | int)]
    if len(plain) == len(batch.labels):
        digests = _digests(batch.ids)
        return Targets(torch.arange(len(batch)), labels.indices(plain), _indices(list(names), tasks), digests)
    found = [
        (i, one, task_of(named, one))
        for i, (label, named) in enumerate(zip(batch.labels, names, strict=True))
        for one in classes_of(label)
    ]
    examples = torch.tensor([i for i, _, _ in found])
    classes = labels.indices([one for _, one, _ in found])
    ids = None if (digests := _digests(batch.ids)) is None else digests[examples]
    return Targets(examples, classes, _indices([task for _, _, task in found], tasks), ids)


def task_of(named: str | None, label: ClassName) -> str | None:
    """The task of a class: its factor, within the task that the message names."""
    return factor_task(named, label.factor) if isinstance(label, FactorValue) else named


def factor_task(named: str | None, factor: str) -> str:
    """The task of a factor within a named task."""
    return factor if named is None else f"{named}/{factor}"


def classes_of(label: Label | Factors) -> Iterator[ClassName]:
    """The one class that a plain label names, or one of each factor."""
    if not isinstance(label, Mapping):
        yield label
        return
    for factor, value in label.items():
        yield FactorValue(factor, value)


def _indices(names: list[str | None], tasks: LabelSpace) -> Tensor | None:
    """None while the stream has never named a task (tasks then cost no bits)."""
    if all(name is None for name in names):
        return torch.full((len(names),), -1, dtype=torch.int64) if len(tasks) else None
    return torch.tensor([-1 if name is None else tasks.index(name) for name in names])


def _digests(ids: Sequence[str | None]) -> Tensor | None:
    """None where no example has an id."""
    if not any(id is not None for id in ids):
        return None
    return torch.tensor([0 if id is None else digest_of(id) for id in ids])
