"""What a method answers, as operations on tensors that `torch.export` can follow: for `DualMemory.graph`.

That returns a module of raw `inputs`, and of `tasks` where `seen_classes.names_tasks`, which gives
probabilities [n, classes]. A method that raises NotImplementedError is not exported, nor is one whose files
do not answer as `predict_proba`. What a method decides by its state (who answers, which classes may be
predicted, which are young) is decided once, when the graph is made.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from streamlearner.generative.variational_autoencoder import VariationalAutoencoder
from streamlearner.methods.seen_classes import SeenClasses
from streamlearner.networks.base import Network


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
        none = len(self.table) - 1
        if tasks is None:
            return self.table[none:]
        known = (tasks >= 0) & (tasks < none)
        return self.table.index_select(0, torch.where(known, tasks, none))

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


class StatisticsAnswers(nn.Module):
    """Of statistics alone."""

    def __init__(self, statistics: nn.Module, seen: SeenClasses) -> None:
        super().__init__()
        self.statistics, self.restriction = statistics, Restriction(seen)

    def forward(self, inputs: Tensor, tasks: Tensor | None = None) -> Tensor:
        found: Tensor = self.restriction(self.statistics(inputs), tasks).softmax(1)
        return found


class BothAnswer(nn.Module):
    """Of a network with statistics beside it: an input that these take for a `young` class [classes] bool is
    theirs, others the network's, or with `blend` the product's of both."""

    young: Tensor

    def __init__(self, network: NetworkAnswers, statistics: nn.Module, *, young: Tensor, blend: bool) -> None:
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
