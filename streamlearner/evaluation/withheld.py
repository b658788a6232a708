"""The examples that an exam holds, to be read: inputs, what they are, and whether they are answered right."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

EVALUATION_BATCH = 256
"""Examples per forward pass of an evaluation: bounds its memory."""


class WithheldExamples(nn.Module):
    """Raw inputs, and their facts: class, task, period, and perhaps a part of the id's digest."""

    input_shape: tuple[int, ...]
    dtype: torch.dtype
    _inputs: NDArray[np.uint8]
    _facts: NDArray[np.int32]
    _held: int

    def __len__(self) -> int:
        return self._held

    @property
    def stored_bits(self) -> int:
        """Bits of the arrays as they are allocated."""
        return 8 * (self._inputs.nbytes + self._facts.nbytes)

    def hits(self, answer: Callable[[Tensor, Tensor | None], Tensor], *, names_tasks: bool) -> Tensor:
        """Which examples are answered right, [n] bool. `answer(inputs, tasks or None)` gives scores
        [m, classes]; tasks are passed where `names_tasks`."""
        none = torch.zeros(0, dtype=torch.bool)
        found = self.hits_by(lambda inputs, tasks: {"": answer(inputs, tasks)}, names_tasks=names_tasks)
        return found.get("", none)

    def hits_by(
        self, answers: Callable[[Tensor, Tensor | None], Mapping[str, Tensor]], *, names_tasks: bool
    ) -> dict[str, Tensor]:
        """As `hits`, of each of several answerers by name; empty where the exam is."""
        inputs, tasks = self.inputs, self.tasks if names_tasks else None
        hits: dict[str, list[Tensor]] = {}
        for i in range(0, len(self), EVALUATION_BATCH):
            part = slice(i, i + EVALUATION_BATCH)
            for name, scores in answers(inputs[part], None if tasks is None else tasks[part]).items():
                hits.setdefault(name, []).append(scores.argmax(1) == self.labels[part])
        return {name: torch.cat(parts) for name, parts in hits.items()}

    @property
    def inputs(self) -> Tensor:
        """[n, *input_shape], raw."""
        inputs = torch.empty(self._held, *self.input_shape, dtype=self.dtype)
        if self._held:
            inputs.view(torch.uint8).view(-1).copy_(torch.from_numpy(self._inputs[: self._held]).view(-1))
        return inputs

    @property
    def labels(self) -> Tensor:
        """[n] int64 class indices."""
        return torch.from_numpy(self._facts[: self._held, 0].astype(np.int64))

    @property
    def tasks(self) -> Tensor:
        """[n] int64 task indices, -1 where the stream named none."""
        return torch.from_numpy(self._facts[: self._held, 1].astype(np.int64))

    @property
    def periods(self) -> Tensor:
        """[n] int64: the period in which each was withheld."""
        return torch.from_numpy(self._facts[: self._held, 2].astype(np.int64))
