"""What a method answers, as operations on tensors that `torch.export` can follow: for `DualMemory.graph`.

That returns a module of raw `inputs`, and of `tasks` where `seen_classes.names_tasks`, which gives
probabilities [n, classes]. A method that raises NotImplementedError is not exported, nor is one whose files
do not answer as `predict_proba`. What a method decides by its state (who answers, which classes may be
predicted, which are young) is decided once, when the graph is made.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from streamlearner.generative.generative_memory import GenerativeMemory
from streamlearner.generative.variational_autoencoder import VariationalAutoencoder
from streamlearner.methods.nearest import NearestRecollections
from streamlearner.methods.seen_classes import SeenClasses
from streamlearner.networks.base import Network

LEAST = 1e-6
"""Added to each probability of a mixture, so that the classes of a named task never have none."""


class UnitInterval(nn.Module):
    """`experience.unit_interval`, which changes nothing in place here."""

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs.to(torch.float32) / 255.0 if inputs.dtype == torch.uint8 else inputs


class Restriction(nn.Module):
    """`SeenClasses.restricted`, by a table [tasks + 1, classes] whose last row is for no task."""

    table: Tensor

    def __init__(self, seen: SeenClasses) -> None:
        super().__init__()
        tasks = torch.arange(len(seen.seen))
        none = len(tasks) - 1
        self.register_buffer("table", seen.allowed(tasks.where(tasks < none, -1), len(tasks)).clone())
        self.restricts = not bool(self.table.all())

    def allowed(self, tasks: Tensor | None) -> Tensor:
        """The classes that may be predicted, [n or 1, classes]; `tasks` [n], -1 for none."""
        return self.table[-1:] if tasks is None else self.of_tasks(self.table, tasks)

    def of_tasks(self, table: Tensor, tasks: Tensor) -> Tensor:
        """The rows of a table [tasks + 1, ...] that belong to `tasks` [n]; the last for those not known."""
        none = len(self.table) - 1
        known = (tasks >= 0) & (tasks < none)
        return table.index_select(0, torch.where(known, tasks, none))

    def forward(self, scores: Tensor, tasks: Tensor | None) -> Tensor:
        return scores.masked_fill(~self.allowed(tasks), -torch.inf) if self.restricts else scores


class NetworkAnswers(nn.Module):
    """Of one network: raw inputs, and perhaps tasks, to probabilities [n, classes]. `before` is what the
    network is shown in place of the inputs."""

    def __init__(self, network: Network, seen: SeenClasses, *, before: nn.Module | None = None) -> None:
        super().__init__()
        self.scale, self.network, self.before = UnitInterval(), in_full(network), before
        self.restriction, self.classes = Restriction(seen), seen.classes

    def logits(self, inputs: Tensor) -> Tensor:
        shown = self.scale(inputs)
        found = self.network(shown if self.before is None else self.before(shown))
        missing = self.classes - found.shape[1]
        return nn.functional.pad(found, (0, missing)) if missing > 0 else found[:, : self.classes]

    def forward(self, inputs: Tensor, tasks: Tensor | None = None) -> Tensor:
        found: Tensor = self.restriction(self.logits(inputs), tasks).softmax(1)
        return found


class Reconstructed(nn.Module):
    """Inputs as a generator would show them: what some networks are shown instead."""

    def __init__(self, generator: VariationalAutoencoder) -> None:
        super().__init__()
        self.generator = generator.cpu()

    def forward(self, inputs: Tensor) -> Tensor:
        return self.generator.reconstruct(inputs)


class MemoriesAnswer(nn.Module):
    """Of generative memories: the mixture of what their learners answer, by how well each reconstructs an
    input (softmax of minus the error over `temperature`); for a task that some hold, of these alone."""

    holds: Tensor

    def __init__(
        self, memories: Sequence[GenerativeMemory], seen: SeenClasses, *, temperature: float
    ) -> None:
        super().__init__()
        self.memories = nn.ModuleList(_MemoryAnswers(memory, seen) for memory in memories)
        self.restriction, self.temperature = Restriction(seen), temperature
        held = [[2 * task in memory.tasks for memory in memories] for task in range(len(seen.seen) - 1)]
        every = [True] * len(memories)
        self.register_buffer("holds", torch.tensor([row if any(row) else every for row in [*held, every]]))

    def forward(self, inputs: Tensor, tasks: Tensor | None = None) -> Tensor:
        found = [memory(inputs) for memory in self.memories]
        answers, errors = (torch.stack(column) for column in zip(*found, strict=True))
        if tasks is not None:
            errors = errors.masked_fill(~self.restriction.of_tasks(self.holds, tasks).T, torch.inf)
        weights = (-errors / self.temperature).softmax(0)
        mixed = ((weights[..., None] * answers).sum(0) + LEAST) * self.restriction.allowed(tasks)
        probabilities: Tensor = mixed / mixed.sum(1, keepdim=True)
        return probabilities


class _MemoryAnswers(nn.Module):
    """Of one: probabilities [n, classes], and the error of each reconstruction [n]."""

    def __init__(self, memory: GenerativeMemory, seen: SeenClasses) -> None:
        super().__init__()
        self.scale, self.shown = UnitInterval(), Reconstructed(memory.generator)
        self.answers = NetworkAnswers(memory.learner, seen, before=self.shown)

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        return self.answers.logits(inputs).softmax(1), self.shown.generator.error(self.scale(inputs))


class StatisticsAnswers(nn.Module):
    """Of statistics alone."""

    def __init__(self, statistics: nn.Module, seen: SeenClasses) -> None:
        super().__init__()
        self.statistics, self.restriction = statistics, Restriction(seen)

    def forward(self, inputs: Tensor, tasks: Tensor | None = None) -> Tensor:
        found: Tensor = self.restriction(self.statistics(inputs), tasks).softmax(1)
        return found


class NearestAnswers(nn.Module):
    """Of the nearest recollections."""

    def __init__(self, nearest: NearestRecollections, seen: SeenClasses) -> None:
        super().__init__()
        self.scale, self.nearest, self.restriction = UnitInterval(), nearest, Restriction(seen)

    def logits(self, inputs: Tensor) -> Tensor:
        found: Tensor = self.nearest(self.scale(inputs))
        return found

    def forward(self, inputs: Tensor, tasks: Tensor | None = None) -> Tensor:
        found: Tensor = self.restriction(self.logits(inputs), tasks).softmax(1)
        return found


class BothAnswer(nn.Module):
    """Of a network, or recollections, with statistics beside it: an input that these take for a `young` class
    [classes] bool is theirs, others the network's, or with `blend` the product's of both."""

    young: Tensor

    def __init__(
        self,
        network: NetworkAnswers | NearestAnswers,
        statistics: nn.Module,
        *,
        young: Tensor,
        blend: bool,
    ) -> None:
        super().__init__()
        self.network, self.statistics, self.blend = network, statistics, blend
        self.register_buffer("young", young.clone())

    def forward(self, inputs: Tensor, tasks: Tensor | None = None) -> Tensor:
        restrict = self.network.restriction
        own = restrict(self.statistics(inputs), tasks).log_softmax(1)
        scores = restrict(self.network.logits(inputs), tasks).log_softmax(1)
        if self.blend:
            scores = restrict(own + scores, tasks).log_softmax(1)
        theirs = self.young.index_select(0, own.argmax(1))[:, None]
        return torch.where(theirs, own, scores).exp()


def in_full(network: Network) -> Network:
    """In float32, on the CPU: graphs are to answer alike on any machine. Changes the network, which must be
    a copy."""
    network.half_precision = False
    return network.cpu().eval()
