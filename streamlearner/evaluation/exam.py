"""The exam: examples withheld from learning, within their own bit budget, that measure retention."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from streamlearner.evaluation.contradictions import Contradictions, Examples, Held
from streamlearner.evaluation.withheld import WithheldExamples

FACTS_BITS = 3 * 32
"""Label, task and period of one withheld example: three int32."""
ID_BITS = 32
"""Of its id's digest, once an example has had an id: one int32 more."""


NEVER = 2**62


class Exam(WithheldExamples):
    """A class-balanced sample of the stream that is never trained on; the only place where raw inputs are
    kept.

    Each example is a candidate with probability `fraction`. While there is room, candidates are withheld.
    Then, as in the class-balancing reservoir of Chrysakis & Moens (2020): a candidate replaces one example of
    the largest class, if its own class is smaller and has lost none; else one of its own class, with the
    probability that keeps the sample of that class uniform; else it is learned. So fewer and fewer examples
    are withheld as the stream goes on.

    Each class has a place before any has two. With fewer places than classes they take turns, more and more
    slowly: a class without one takes that of another with the probability of 1 in its candidates so far.

    Images may be kept compressed, in `image_bytes` each, where that is less (`image_code.ImageCode`).

    It ages: what newer examples contradict leaves (see `Contradictions`).
    """

    def __init__(
        self,
        *,
        budget_bits: int,
        fraction: float,
        input_shape: Sequence[int],
        dtype: torch.dtype,
        seed: int,
        image_bytes: int | None = None,
    ):
        super().__init__()
        self.budget_bits = budget_bits
        self.fraction = fraction
        self.input_shape = tuple(input_shape)
        self.dtype = dtype
        self.keeps_ids = True
        self._input_bytes = math.prod(self.input_shape) * dtype.itemsize
        if image_bytes is not None and len(self.input_shape) == 3 and image_bytes < self._input_bytes:
            self._input_bytes = image_bytes
        self.capacity = self._capacity(FACTS_BITS)
        self._inputs = np.zeros((0, self._input_bytes), dtype=np.uint8)
        self._facts = np.zeros((0, 3), dtype=np.int32)
        self._candidates: dict[int, int] = {}
        self._counts: dict[int, int] = {}
        self._held = 0
        self.contradictions = Contradictions()
        self._generator = torch.Generator().manual_seed(seed)
        self._gap = self._next_gap()

    def withhold(
        self, inputs: Tensor, labels: Tensor, tasks: Tensor | None, *, period: int, ids: Tensor | None = None
    ) -> list[int]:
        """Moves some examples of a batch into the exam. Returns their indices; they must not be learned.

        `inputs` [n, *input_shape] raw; `labels` [n] and `tasks` [n] int64 indices; `period` counts sleeps;
        `ids` [n] int64 digests (0: none).
        """
        if self.keeps_ids and ids is not None and self._facts.shape[1] == 3 and bool(ids.any()):
            self._keep_ids()
        if not self.capacity:
            return []
        self._drop_contradicted(inputs, labels, tasks)
        taken = []
        while self._gap < len(labels):
            id = 0 if ids is None else _id_fact(int(ids[self._gap]))
            if self._take(inputs[self._gap], labels[self._gap], tasks, self._gap, period, id):
                taken.append(self._gap)
            self._gap += 1 + self._next_gap()
        self._gap -= len(labels)
        return taken

    def seed(self, seed: int) -> None:
        """All draws from now on follow from it."""
        self._generator.manual_seed(seed)
        self._gap = self._next_gap()

    def _drop_contradicted(self, inputs: Tensor, labels: Tensor, tasks: Tensor | None) -> None:
        """Their classes begin anew as far as candidates go, so that newer examples take the free places."""
        if self.contradictions.passes(self._held, values=self._held * math.prod(self.input_shape)):
            return
        newer_tasks = np.full(len(labels), -1) if tasks is None else tasks.numpy()
        newer = Examples(inputs.reshape(len(labels), -1).numpy(), labels.numpy(), newer_tasks)
        held = self.read(slice(0, self._held)).reshape(self._held, -1).numpy()
        facts = self._facts[: self._held]
        # made ready each time: a copy that stayed would be memory beyond the budget
        standing = Held(Examples(held, facts[:, 0], facts[:, 1]))
        for place in reversed(self.contradictions.judge(newer, standing)):
            cls = int(self._facts[place, 0])
            self._drop(place)
            self._candidates[cls] = self._counts[cls]

    def _next_gap(self) -> int:
        """Examples to skip before the next candidate: geometrically distributed, so that each example is a
        candidate with probability `fraction`. Most batches draw no random number."""
        if not 0 < self.fraction < 1:
            return 0 if self.fraction else NEVER
        draw = 1.0 - float(torch.rand((), dtype=torch.float64, generator=self._generator))
        return int(math.log(draw) / math.log1p(-self.fraction))

    def _take(
        self, example: Tensor, label: Tensor, tasks: Tensor | None, i: int, period: int, id: int
    ) -> bool:
        cls = int(label)
        before = self._candidates.get(cls, 0)
        self._candidates[cls] = before + 1
        place = self._place(cls, before)
        if place is None:
            return False
        self._inputs[place] = self.stored(example)
        self.contradictions.is_replaced(place)
        facts = (cls, -1 if tasks is None else int(tasks[i]), period, id)
        self._facts[place] = facts[: self._facts.shape[1]]
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
            self._facts.resize((room, self._facts.shape[1]), refcheck=False)

    def _capacity(self, facts_bits: int) -> int:
        return self.budget_bits // (8 * self._input_bytes + facts_bits)

    def _keep_ids(self) -> None:
        """From the first id on. What the larger facts leave no room for goes, from the largest classes."""
        self.capacity = self._capacity(FACTS_BITS + ID_BITS)
        while self._held > self.capacity:
            largest = max(self._counts, key=lambda cls: (self._counts[cls], cls))
            self._drop(int(np.flatnonzero(self._facts[: self._held, 0] == largest)[-1]))
        room = min(len(self._facts), self.capacity)
        self._inputs.resize((room, self._input_bytes), refcheck=False)
        self._facts = np.pad(self._facts[:room], ((0, 0), (0, 1)))

    def _drop(self, place: int) -> None:
        """The last one takes its place; of the one that goes no byte stays."""
        self._held -= 1
        self._counts[int(self._facts[place, 0])] -= 1
        self._inputs[place], self._facts[place] = self._inputs[self._held], self._facts[self._held]
        self._inputs[self._held], self._facts[self._held] = 0, 0
        self.contradictions.is_moved(self._held, place)

    def erase(self, *, id: int | None = None, label: int | None = None, task: int | None = None) -> int:
        """Drops the example whose id has this digest, or all of a class or task, and says how many there
        were. What is left is a sample of the stream without them."""
        facts = self._facts[: self._held]
        if id is not None:
            gone = facts[:, 3] == _id_fact(id) if facts.shape[1] > 3 else np.zeros(len(facts), bool)
        else:
            gone = facts[:, 0] == label if label is not None else facts[:, 1] == task
        places, classes = np.flatnonzero(gone).tolist(), facts[gone, 0].tolist()
        held = dict(self._counts)
        for place in reversed(places):
            self._drop(place)
        for cls in set(classes):
            seen, left = self._candidates[cls], self._counts[cls]
            others = seen - classes.count(cls) if id is not None else seen * left // held[cls]
            self._candidates[cls] = max(left, others)
        if label is not None:
            self._candidates.pop(label, None)
        self._counts = {cls: count for cls, count in self._counts.items() if count}
        return len(places)

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
        self.capacity = self._capacity(FACTS_BITS + ID_BITS * (facts.shape[1] > 3))
        inputs = self.stored_as_now(inputs[: self.capacity])
        self._inputs, self._facts = inputs.copy(), facts[: self.capacity].copy()
        self._held = len(self._facts)
        self._candidates = dict(state_dict.pop(prefix + "candidates").tolist())
        classes, counts = np.unique(self._facts[:, 0], return_counts=True)
        self._counts = dict(zip(classes.tolist(), counts.tolist(), strict=True))
        self._generator.set_state(state_dict.pop(prefix + "generator"))
        self._gap = int(state_dict.pop(prefix + "gap"))


def _id_fact(digest: int) -> int:
    """Of an id's digest, 31 bits; 0: none."""
    return (digest & 0x7FFF_FFFF) or 1 if digest else 0
