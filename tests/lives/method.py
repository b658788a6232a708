"""A method of learning for simulated lives: tiny, but it has all that can be lost.

Weights that depend on order and on chance, a recollection memory, a sleep whose steps draw at random, and a
count of how often each example was learned.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any, Self

import torch
from torch import Tensor, nn

from streamlearner.memory.reservoir import RecollectionMemory
from streamlearner.methods.base import DualMemory, Experience, Observation, Rng
from streamlearner.methods.components import Components, Sleep
from streamlearner.methods.experience import Removed, Selection
from streamlearner.methods.seen_classes import SeenClasses
from streamlearner.networks.base import Network
from streamlearner.registry.section import Section

MESSAGES = 200
"""Of a life. The first feature of an input is the number of its example."""
FEATURES = 3
CLASSES = 6
RADICES = (16, 16)
"""Of a code: the number of its example."""


POISON = 1_000.0
"""A feature so large is an example that cannot be learned."""


class Poisoned(Exception):
    """The method fails at an example."""


class Means(nn.Module):
    """A running mean of each class."""

    weight: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("weight", torch.zeros(CLASSES, FEATURES - 1))

    def step(self, features: Tensor, labels: Tensor, rate: float, noise: Tensor) -> None:
        target = features[:, 1:] + noise
        self.weight.index_add_(0, labels, rate * (target - self.weight[labels]))


class Codes:
    """What the memory asks of an association."""

    radices = RADICES


class TinyMethod(DualMemory):
    """Running means. `effects` [messages] int64 counts how often each example was learned."""

    effects: Tensor

    class Settings(Section):
        """None."""

    def __init__(self, *, memory: RecollectionMemory, sleep: Sleep, rng: Rng) -> None:
        super().__init__()
        self.rng = rng
        self.hippocampus, self.neocortex, self.seen_classes = Means(), Means(), SeenClasses()
        self.memory, self.sleep = memory, sleep
        self.register_buffer("effects", torch.zeros(MESSAGES, dtype=torch.int64))

    @classmethod
    def build(cls, settings: Any, components: Components) -> Self:
        memory = components.make_memory(Codes())  # type: ignore[arg-type]
        return cls(memory=memory, sleep=components.sleep, rng=components.make_rng())

    def observe(self, experience: Experience) -> Observation:
        inputs, labels = experience.inputs, experience.labels
        self.seen_classes.register(labels, experience.tasks)
        predicted = self.predict_proba(inputs, None).argmax(1)
        if bool((inputs[:, 1:] >= POISON).any()):
            raise Poisoned
        numbers = inputs[:, 0].to(torch.int64)
        self.effects.index_add_(0, numbers, torch.ones_like(numbers))
        self.hippocampus.step(inputs, labels, 0.1, self._noise(len(labels)))
        self._replay(self.hippocampus, 2)
        codes = torch.stack([numbers // RADICES[1], numbers % RADICES[1]], 1)
        self.memory.insert(codes, labels, experience.tasks, experience.ids)
        return Observation(predicted=predicted, loss=float(self.hippocampus.weight.sum()))

    def erase(self, selection: Selection) -> Removed:
        super().erase(selection)
        return Removed(recollections=self.memory.erase(id=selection.id, task=selection.task))

    def consolidate(self, candidate: Self) -> Iterator[None]:
        for _ in range(self.sleep.steps_of(candidate)):
            candidate._replay(candidate.neocortex, self.sleep.batch_size)
            yield

    def _replay(self, means: Means, n: int) -> None:
        """Learns recollections."""
        held = self.memory.sample(n)
        if len(held):
            decoded = held.symbols.to(torch.float32) / RADICES[0]
            inputs = torch.cat([decoded.sum(1, keepdim=True), decoded], 1)
            means.step(inputs, held.labels, 0.05, self._noise(n))

    def _noise(self, n: int) -> Tensor:
        return 0.01 * torch.randn(n, FEATURES - 1, generator=self.rng.generator)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """As that of any module, in a tenth of the time."""
        twin = type(self)(
            memory=copy.deepcopy(self.memory, memo), sleep=self.sleep, rng=copy.deepcopy(self.rng, memo)
        )
        for own, theirs in ((self.hippocampus, twin.hippocampus), (self.neocortex, twin.neocortex)):
            theirs.weight = own.weight.clone()
        twin.seen_classes.seen, twin.effects = self.seen_classes.seen.clone(), self.effects.clone()
        twin.sleep_share = self.sleep_share
        return twin

    def adopt(self, candidate: Self) -> None:
        self.neocortex.load_state_dict(candidate.neocortex.state_dict())
        self.hippocampus.weight.lerp_(self.neocortex.weight, 0.5)

    def revert(self, neocortex: dict[str, Tensor]) -> None:
        for means in (self.neocortex, self.hippocampus):
            means.load_state_dict(neocortex)

    @torch.no_grad()
    def predict_proba(self, inputs: Tensor, tasks: Tensor | None) -> Tensor:
        return (inputs[:, 1:] @ self.hippocampus.weight[: self.classes].T).softmax(1)

    def features(self, inputs: Tensor) -> Tensor:
        return inputs

    @property
    def remembered(self) -> int:
        return len(self.memory)

    def stored_bits(self) -> dict[str, int]:
        return {"recollections": self.memory.stored_bits}

    @property
    def fullness(self) -> int:
        return int(len(self.memory) >= self.memory.capacity)


def no_network(*, input_shape: tuple[int, ...]) -> Network:
    """What a method must be given; this one does not use it."""
    return Network(body=nn.Identity(), features=FEATURES, learning_rate=0.1)
