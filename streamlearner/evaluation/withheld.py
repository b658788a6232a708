"""The examples that an exam holds, to be read: inputs, what they are, and whether they are answered right."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from streamlearner.evaluation.image_code import ImageCode

EVALUATION_BATCH = 256
"""Examples per forward pass of an evaluation, at most: bounds its memory."""


def batches(count: int) -> Iterator[slice]:
    """Parts of so many examples for one forward pass each, of few different sizes: powers of two.

    The kernels of convolutions are compiled for each size anew and kept (oneDNN, up to 1,024 of them). An
    exam that grows by one example at a time so cost a LeNet 0.6 MiB for each size that it had once had.
    """
    start, size = 0, EVALUATION_BATCH
    while start < count:
        while size > count - start:
            size //= 2
        yield slice(start, start + size)
        start += size


class WithheldExamples(nn.Module):
    """Raw inputs, and their facts: class, task, period, and perhaps a part of the id's digest."""

    input_shape: tuple[int, ...]
    dtype: torch.dtype
    _inputs: NDArray[np.uint8]
    _input_bytes: int
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
        self,
        answers: Callable[[Tensor, Tensor | None], Mapping[str, Tensor]],
        *,
        names_tasks: bool,
        part: slice | None = None,
    ) -> dict[str, Tensor]:
        """As `hits`, of each of several answerers by name, on the whole exam or this part of it; empty where
        that is."""
        tasks = self.tasks if names_tasks else None
        first, end = (0, len(self)) if part is None else (part.start, part.stop)
        hits: dict[str, list[Tensor]] = {}
        for within in batches(end - first):
            part = slice(first + within.start, first + within.stop)
            for name, scores in answers(self.read(part), None if tasks is None else tasks[part]).items():
                hits.setdefault(name, []).append(scores.argmax(1) == self.labels[part])
        return {name: torch.cat(parts) for name, parts in hits.items()}

    @property
    def inputs(self) -> Tensor:
        """[n, *input_shape], raw."""
        return self.read(slice(0, self._held))

    def read(self, part: slice | NDArray[np.intp]) -> Tensor:
        """Those of `inputs`, a slice or places, copied or decoded."""
        stored = self._inputs[: self._held][part]
        if self._is_code(stored.shape[1]):
            return self._code(stored.shape[1]).decode(stored)
        inputs = torch.empty(len(stored), *self.input_shape, dtype=self.dtype)
        if len(stored):
            inputs.view(torch.uint8).view(-1).copy_(torch.from_numpy(stored.copy()).view(-1))
        return inputs

    def stored(self, example: Tensor) -> NDArray[np.uint8]:
        """An input [*input_shape] as it is kept: its bytes, or a code."""
        if self._is_code(self._input_bytes):
            return self._code(self._input_bytes).encode(example.contiguous())
        return example.contiguous().numpy().reshape(-1).view(np.uint8)

    def stored_as_now(self, inputs: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Of a checkpoint; the length of codes may have been another."""
        if (width := inputs.shape[1]) == self._input_bytes or not len(inputs):
            return np.zeros((0, self._input_bytes), np.uint8) if not len(inputs) else inputs
        shown = (
            self._code(width).decode(inputs)
            if self._is_code(width)
            else torch.from_numpy(inputs.copy()).view(self.dtype).reshape(-1, *self.input_shape)
        )
        return np.stack([self.stored(one) for one in shown])

    def _is_code(self, width: int) -> bool:
        return width != math.prod(self.input_shape) * self.dtype.itemsize

    def _code(self, width: int) -> ImageCode:
        return ImageCode(shape=self.input_shape, code_bytes=width)

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
