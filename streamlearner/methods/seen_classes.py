"""Which classes were seen, and with which tasks: the mask of classes that may be predicted."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from streamlearner.merging.shards import Indices


class SeenClasses(nn.Module):
    """`seen` bool [tasks + 1, classes]: True where examples of the class came with the task. The last row is
    for examples without a task: True for all classes but those that were erased and have not come again."""

    seen: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("seen", torch.zeros(1, 0, dtype=torch.bool))
        self._all_seen: bool | None = None  # what `seen` says of all classes; asked four times a step

    @property
    def classes(self) -> int:
        return self.seen.shape[1]

    @property
    def names_tasks(self) -> bool:
        """True once the stream has named a task."""
        return len(self.seen) > 1

    def register(self, labels: Tensor, tasks: Tensor | None) -> bool:
        """Registers the classes and tasks of a batch: labels [n], tasks [n] (-1: none) or None. True where a
        class or task is new."""
        classes = max(self.classes, int(labels.max()) + 1)
        known_tasks = max(len(self.seen) - 1, int(tasks.max()) + 1 if tasks is not None else 0)
        new = (known_tasks + 1, classes) != self.seen.shape
        if not new and tasks is None and self.all_seen:
            return False
        self._all_seen = None
        if new:
            grown = torch.zeros(known_tasks + 1, classes, dtype=torch.bool)
            grown[: len(self.seen) - 1, : self.classes] = self.seen[:-1]
            grown[-1] = True
            grown[-1, : self.classes] = self.seen[-1]
            self.seen = grown
        self.seen[-1, labels] = True
        if tasks is not None:
            self.seen[tasks, labels] = True
        return new

    def merge(self, others: Sequence[SeenClasses], indices: Sequence[Indices]) -> None:
        """Seen here, or by one of these, whose class `k` is `classes[k]` of its indices here, and tasks
        likewise."""
        for other, (classes, tasks) in zip(others, indices, strict=True):
            for task, label in other.seen[:-1].nonzero().tolist():
                self.register(torch.tensor([classes[label]]), torch.tensor([tasks[task]]))
            untasked = other.seen[-1].nonzero()[:, 0].tolist()
            if untasked:
                self.register(torch.tensor([classes[label] for label in untasked]), None)

    def erase(self, *, label: int | None, task: int | None) -> None:
        """A class may be predicted no more until it is registered again; a task no longer restricts."""
        self._all_seen = None
        if label is not None:
            self.seen[:, label : label + 1] = False
        if task is not None:
            self.seen[:-1][task : task + 1] = False

    @property
    def all_seen(self) -> bool:
        """Whether no class was erased and has not come again."""
        if self._all_seen is None:
            self._all_seen = bool(self.seen[-1].all())
        return self._all_seen

    @property
    def _untasked(self) -> Tensor:
        """The classes that may be predicted without a task, [classes]: if all were erased, all, as some
        answer must be given."""
        return self.seen[-1] | ~self.seen[-1].any()

    def allowed(self, tasks: Tensor | None, count: int) -> Tensor:
        """The classes that may be predicted for `count` examples: bool [count, classes]. All that were not
        erased, where no task is named (-1) or none of its classes was learned yet (all of its first examples
        may have been withheld for the exam)."""
        every = self._untasked
        if tasks is None or not self.names_tasks:
            return every.expand(count, -1)
        rows = self.seen[tasks.where(tasks < len(self.seen) - 1, -1)]
        return rows | (every & ~rows.any(1, keepdim=True))

    def tasks_of(self, labels: Tensor) -> Tensor:
        """The first task with which each class of `labels` [n] was seen, [n]; -1 for none."""
        rows = self.seen[:-1, labels].T
        none = torch.full((len(labels), 1), True)
        first = torch.cat([rows, none], 1).to(torch.uint8).argmax(1)
        return first.where(first < len(self.seen) - 1, -1)

    def restricted(self, logits: Tensor, tasks: Tensor | None) -> Tensor:
        """Logits [n, classes], with minus infinity for classes that may not be predicted (see `allowed`)."""
        if (tasks is None or not self.names_tasks) and self.all_seen:
            return logits
        return logits.masked_fill(~self.allowed(tasks, len(logits)), -torch.inf)

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *rest: object) -> None:
        self._all_seen = None
        if prefix + "seen" in state_dict:
            self.seen = torch.zeros_like(state_dict[prefix + "seen"])
        super()._load_from_state_dict(state_dict, prefix, *rest)
