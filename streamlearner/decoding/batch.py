"""A batch: examples decoded and validated, what learning takes."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

from streamlearner.decoding.erasures import Erasure
from streamlearner.stream import Factors, Label, Message


@dataclass(frozen=True, slots=True)
class Batch:
    """Decoded, validated examples, in the order of the stream.

    `inputs` is [n, C, H, W] uint8 for images (channel first) or [n, d] float32 for feature vectors.
    `labels`, `tasks`, `ids` and `messages` have n entries; a task or id is None where the stream names none.
    `erasures` came among them, each with how many of the examples came before it; and so many
    messages with a value that name no example.
    """

    inputs: Tensor
    labels: tuple[Label | Factors, ...]
    tasks: tuple[str | None, ...]
    ids: tuple[str | None, ...]
    messages: tuple[Message, ...] = field(repr=False, default=())
    erasures: tuple[tuple[int, Erasure], ...] = ()
    tombstones: int = 0

    def __len__(self) -> int:
        return len(self.labels)

    def select(self, indices: list[int]) -> Batch:
        """The examples at `indices`, in that order; without erasures."""
        return Batch(
            inputs=self.inputs[indices],
            labels=tuple(self.labels[i] for i in indices),
            tasks=tuple(self.tasks[i] for i in indices),
            ids=tuple(self.ids[i] for i in indices),
            messages=tuple(self.messages[i] for i in indices) if self.messages else (),
        )
