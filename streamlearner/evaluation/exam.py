"""The exam: examples withheld from learning, within their own bit budget, that measure retention."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from streamlearner.evaluation.contradictions import Contradictions, Examples

EVALUATION_BATCH = 256
"""Examples per forward pass of an evaluation: bounds its memory."""
FACTS_BITS = 3 * 32
"""Label, task and period of one withheld example: three int32."""


NEVER = 2**62


class Exam(nn.Module):
    """A class-balanced sample of the stream that is never trained on; the only place where raw inputs are
    kept.

    Each example is a candidate with probability `fraction`. While there is room, candidates are withheld.
    Then, as in the class-balancing reservoir of Chrysakis & Moens (2020): a candidate replaces one example of
    the largest class, if its own class is smaller and has lost none; else one of its own class, with the
    probability that keeps the sample of that class uniform; else it is learned. So fewer and fewer examples
    are withheld as the stream goes on.

    Each class has a place before any has two. With fewer places than classes they take turns, more and more
    slowly: a class without one takes that of another with the probability of 1 in its candidates so far.

    It ages: what newer examples contradict leaves (see `Contradictions`).
    """

    def __init__(
        self, *, budget_bits: int, fraction: float, input_shape: Sequence[int], dtype: torch.dtype, seed: int
    ):
        super().__init__()
        self.budget_bits = budget_bits
        self.fraction = fraction
        self.input_shape = tuple(input_shape)
        self.dtype = dtype
        self._input_bytes = math.prod(self.input_shape) * dtype.itemsize
        self.capacity = budget_bits // (8 * self._input_bytes + FACTS_BITS)
        self._inputs = np.zeros((0, self._input_bytes), dtype=np.uint8)
        self._facts = np.zeros((0, 3), dtype=np.int32)
        self._candidates: dict[int, int] = {}
        self._counts: dict[int, int] = {}
        self._held = 0
        self.contradictions = Contradictions()
        self._generator = torch.Generator().manual_seed(seed)
        self._gap = self._next_gap()

    def __len__(self) -> int:
        return self._held

    @property
    def stored_bits(self) -> int:
        """Bits of the arrays as they are allocated."""
        return 8 * (self._inputs.nbytes + self._facts.nbytes)

    def withhold(self, inputs: Tensor, labels: Tensor, tasks: Tensor | None, *, period: int) -> list[int]:
        """Moves some examples of a batch into the exam. Returns their indices; they must not be learned.

        `inputs` [n, *input_shape] raw; `labels` [n] and `tasks` [n] int64 indices; `period` counts sleeps.
        """
        if not self.capacity:
            return []
        self._drop_contradicted(inputs, labels, tasks)
        taken = []
        while self._gap < len(labels):
            if self._take(inputs[self._gap], labels[self._gap], tasks, self._gap, period):
                taken.append(self._gap)
            self._gap += 1 + self._next_gap()
        self._gap -= len(labels)
        return taken

    def _drop_contradicted(self, inputs: Tensor, labels: Tensor, tasks: Tensor | None) -> None:
        """Their classes begin anew as far as candidates go, so that newer examples take the free places."""
        newer_tasks = np.full(len(labels), -1) if tasks is None else tasks.numpy()
        newer = Examples(inputs.reshape(len(labels), -1).numpy(), labels.numpy(), newer_tasks)
        held = self._inputs[: self._held].view(newer.inputs.dtype)
        facts = self._facts[: self._held]
        for place in reversed(self.contradictions.judge(newer, Examples(held, facts[:, 0], facts[:, 1]))):
            cls = int(self._facts[place, 0])
            self._held -= 1
            self._counts[cls] -= 1
            self._candidates[cls] = self._counts[cls]
            self._inputs[place], self._facts[place] = self._inputs[self._held], self._facts[self._held]
            self.contradictions.is_moved(self._held, place)

    def _next_gap(self) -> int:
        """Examples to skip before the next candidate: geometrically distributed, so that each example is a
        candidate with probability `fraction`. Most batches draw no random number."""
        if not 0 < self.fraction < 1:
            return 0 if self.fraction else NEVER
        draw = 1.0 - float(torch.rand((), dtype=torch.float64, generator=self._generator))
        return int(math.log(draw) / math.log1p(-self.fraction))

    def _take(self, example: Tensor, label: Tensor, tasks: Tensor | None, i: int, period: int) -> bool:
        cls = int(label)
        before = self._candidates.get(cls, 0)
        self._candidates[cls] = before + 1
        place = self._place(cls, before)
        if place is None:
            return False
        self._inputs[place] = example.contiguous().numpy().reshape(-1).view(np.uint8)
        self.contradictions.is_replaced(place)
        self._facts[place] = (cls, -1 if tasks is None else int(tasks[i]), period)
        self._counts[cls] = self._counts.get(cls, 0) + 1
        return True

    def _place(self, cls: int, before: int) -> int | None:
        """A free index, or that of an example to replace; None where the example is to be learned instead.
        `before` counts earlier candidates of its class."""
        if self._held < self.capacity:
            self._reserve(self._held + 1)
            self._held += 1
            return self._held - 1
        largest = max(self._counts.values())
        own = self._counts.get(cls, 0)
        has_lost_none = own == before and own < largest
        if has_lost_none or (own == 0 and (largest > 1 or self._draw(before + 1) == 0)):
            # sorted: after a restart the dictionary has another order
            largest_classes = sorted(c for c, count in self._counts.items() if count == largest)
            shrinking = largest_classes[self._draw(len(largest_classes))]
        elif own and self._draw(before + 1) < own:
            shrinking = cls
        else:
            return None
        self._counts[shrinking] -= 1
        members = np.flatnonzero(self._facts[: self._held, 0] == shrinking)
        return int(members[self._draw(len(members))])

    def _draw(self, below: int) -> int:
        return int(torch.randint(below, (1,), generator=self._generator))

    def _reserve(self, places: int) -> None:
        """Makes room for `places` examples and 1 % more, so that hardly more is allocated than is held."""
        if places > len(self._facts):
            room = min(self.capacity, places + places // 100)
            # in place: a second copy would exceed the budget while both exist
            self._inputs.resize((room, self._input_bytes), refcheck=False)
            self._facts.resize((room, 3), refcheck=False)

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

    def _save_to_state_dict(self, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
        candidates = sorted(self._candidates.items())
        destination[prefix + "inputs"] = torch.from_numpy(self._inputs[: self._held].copy())
        destination[prefix + "facts"] = torch.from_numpy(self._facts[: self._held].copy())
        destination[prefix + "candidates"] = torch.tensor(candidates, dtype=torch.int64).reshape(-1, 2)
        destination[prefix + "generator"] = self._generator.get_state()
        destination[prefix + "gap"] = torch.tensor(self._gap)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        facts = state_dict.pop(prefix + "facts").numpy()
        inputs = state_dict.pop(prefix + "inputs").numpy()
        self._inputs, self._facts = inputs[: self.capacity].copy(), facts[: self.capacity].copy()
        self._held = len(self._facts)
        self._candidates = dict(state_dict.pop(prefix + "candidates").tolist())
        classes, counts = np.unique(self._facts[:, 0], return_counts=True)
        self._counts = dict(zip(classes.tolist(), counts.tolist(), strict=True))
        self._generator.set_state(state_dict.pop(prefix + "generator"))
        self._gap = int(state_dict.pop(prefix + "gap"))
