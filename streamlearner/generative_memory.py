"""A deep generative memory: generator, learner, how often each task was met; and one for each new task."""

from __future__ import annotations

import copy
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from streamlearner.network import Network, descend
from streamlearner.variational_autoencoder import VariationalAutoencoder


class Samples(NamedTuple):
    """Inputs [n, *input_shape] with the answers for them, probabilities [n, classes]."""

    inputs: Tensor
    targets: Tensor


class GenerativeMemory(nn.Module):
    """The paper's DGM (001, section 3.1): `met` [tasks] int64 counts, by task, the times it was met.

    The learner sees reconstructions, when it learns and when it answers.
    """

    met: Tensor

    def __init__(self, *, generator: VariationalAutoencoder, learner: Network) -> None:
        super().__init__()
        self.generator = generator
        self.learner = learner
        self.register_buffer("met", torch.zeros(0, dtype=torch.int64))

    def count(self, task: int, times: int = 1) -> None:
        """The task was met so many times more."""
        if task >= len(self.met):
            self.met = torch.cat([self.met, self.met.new_zeros(task + 1 - len(self.met))])
        self.met[task] += times

    @property
    def tasks(self) -> dict[int, int]:
        """Times met, by task."""
        return {task: times for task, times in enumerate(self.met.tolist()) if times}

    def meet(self, inputs: Tensor) -> None:
        """Takes note of the scale of inputs before they are learned."""
        self.generator.meet(inputs)
        self.learner.meet(inputs)

    def learn(self, samples: Samples, *, learning_rate: float, chance: torch.Generator) -> float:
        """One step of the generator on the samples, one of the learner on their reconstructions; its loss."""
        self.generator.learn(samples.inputs, generator=chance)
        self.learner.head.grow(samples.targets.shape[1])
        logits = self.learner.train()(self.generator.reconstruct(samples.inputs))
        loss = F.cross_entropy(logits[:, : samples.targets.shape[1]], samples.targets)
        loss.backward()  # type: ignore[no-untyped-call]
        value = float(loss.detach())
        descend(self.learner, learning_rate=learning_rate, loss=value)
        return value

    @torch.no_grad()
    def answer(self, inputs: Tensor, classes: int) -> Tensor:
        """Logits [n, classes] for inputs, by way of their reconstructions."""
        logits: Tensor = self.learner.eval()(self.generator.reconstruct(inputs))
        missing = classes - logits.shape[1]
        return F.pad(logits, (0, missing)) if missing > 0 else logits[:, :classes]

    @torch.no_grad()
    def generate(self, count: int, classes: int, *, chance: torch.Generator) -> Samples:
        """Samples of what it learned, labelled by its own learner."""
        inputs = self.generator.generate(count, generator=chance)
        return Samples(inputs, self.answer(inputs, classes).softmax(1))

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *rest: object) -> None:
        if prefix + "met" in state_dict:
            self.met = torch.zeros_like(state_dict[prefix + "met"])
        super()._load_from_state_dict(state_dict, prefix, *rest)


class ShortTermMemory(nn.Module):
    """The STM: a generative memory for each task that is not consolidated yet. All begin as `blank`."""

    def __init__(self, *, blank: GenerativeMemory) -> None:
        super().__init__()
        self._blank = (blank,)  # in a tuple: no part of the state, being the same in every fresh method
        self.tasks = nn.ModuleDict()

    def held(self) -> dict[int, GenerativeMemory]:
        """The short-term task memories by task, in the order of their numbers."""
        found = {int(task): self.tasks[task] for task in sorted(self.tasks, key=int)}
        return {task: memory for task, memory in found.items() if isinstance(memory, GenerativeMemory)}

    def of(self, task: int) -> GenerativeMemory:
        """The memory of this task; a fresh one for a new task."""
        if str(task) not in self.tasks:
            self.tasks[str(task)] = copy.deepcopy(self._blank[0])
            self.held()[task].count(task)
        return self.held()[task]

    def free(self, task: int) -> None:
        del self.tasks[str(task)]

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *rest: object) -> None:
        start = prefix + "tasks."
        names = [name[len(start) :].split(".")[0] for name in state_dict if name.startswith(start)]
        self.tasks.clear()
        for task in dict.fromkeys(names):
            self.tasks[task] = copy.deepcopy(self._blank[0])
        super()._load_from_state_dict(state_dict, prefix, *rest)
