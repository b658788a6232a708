"""Trains a masked generator on one class: against a critic, with masks annealed from soft to binary.

After "Learning to remember: Dynamic Generative Memory for Continual Learning" (paper 004), section 4.1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from streamlearner.generative.masked_layer import SLOPE, ClassMask
from streamlearner.generative.masked_network import MaskedNetwork
from streamlearner.networks.adam import Adam
from streamlearner.networks.seeded import seeded

LONGEST_GRADIENT = 100.0
"""See `Adam.max_norm`."""


@dataclass(frozen=True, slots=True)
class ClassTraining:
    """Hyperparameters of learning one class: `steps` of critic and generator in turn, on `batch_size`
    examples each, by Adam; `s_max`, the steepest masks; `sparsity` and `gradient_penalty`, the paper's
    weights lambda_RU and lambda_GP; `hidden` units in each of the critic's two layers."""

    steps: int
    batch_size: int
    learning_rate: float
    s_max: float
    sparsity: float
    gradient_penalty: float
    hidden: int


class OldExamples(NamedTuple):
    """Generated examples of classes learned before: flattened inputs [n, values], class indices [n]."""

    values: Tensor
    labels: Tensor


DrawClass: TypeAlias = Callable[[int], Tensor]
"""`draw(n)`: n examples of the class, drawn independently, flattened: [n, values]."""
DrawOld: TypeAlias = Callable[[int], OldExamples | None]
"""`draw(n)`: n examples of the classes learned before; None where there are none."""


class Critic(nn.Module):
    """Two hidden layers with two outputs: a score of how real an input is, and class logits (AC-GAN).

    Differs: the score is the logit of a probability, with a gradient penalty towards 0 at real inputs
    (Mescheder et al., 2018); the paper's is a Wasserstein critic with a gradient norm of 1 (Gulrajani et al.,
    2017). (MNIST digits 3, 4, 5 and 9, held out, 500 steps each: Frechet distance of a classifier's features
    49, and 94 as in the paper.)
    """

    def __init__(self, *, values: int, hidden: int, classes: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(values, hidden), nn.LeakyReLU(SLOPE), nn.Linear(hidden, hidden), nn.LeakyReLU(SLOPE)
        )
        self.score = nn.Linear(hidden, 1)
        self.label = nn.Linear(hidden, classes)


def learn_class(
    network: MaskedNetwork,
    label: int,
    *,
    draw: DrawClass,
    draw_old: DrawOld,
    classes: int,
    training: ClassTraining,
    rng: torch.Generator,
) -> Iterator[list[Tensor]]:
    """Takes one step of the critic and one of the generator for each `yield`, which gives the masks of that
    step, by layer [units]. Afterwards the class has reserved its units.

    Free units and their masks are trained; reserved units are used unchanged. `classes`: outputs of the
    critic, more than `label`. The critic is a new one.
    """
    critic = _critic(network, classes=classes, hidden=training.hidden, rng=rng)
    networks = _AdversarialTraining(network, critic, label=label, training=training, rng=rng)
    n = training.batch_size
    for step in range(training.steps):
        scale = annealed(step, steps=training.steps, s_max=training.s_max)
        masks = networks.class_masks([(scale * embedding).sigmoid() for embedding in networks.embeddings])
        rate = training.learning_rate * min(1.0, 2.0 * (1.0 - step / training.steps))
        networks.critic_step(draw(n), draw_old(n), masks, learning_rate=rate)
        networks.generator_step(masks, learning_rate=rate)
        yield [class_mask.mask for class_mask in masks]
    network.reserve(
        label, networks.class_masks([binary(embedding).float() for embedding in networks.embeddings]), rng=rng
    )


def _critic(network: MaskedNetwork, *, classes: int, hidden: int, rng: torch.Generator) -> Critic:
    with seeded(int(torch.randint(2**62, (1,), generator=rng))):
        return Critic(values=network.output.shape[0], hidden=hidden, classes=classes)


def annealed(step: int, *, steps: int, s_max: float) -> float:
    """The scale s of the mask embeddings, eq. (3): rises linearly from 1 / s_max at the first step to s_max
    at the last. (By step, where the paper anneals by epoch.)"""
    return 1.0 / s_max + (s_max - 1.0 / s_max) * step / max(1, steps - 1)


@torch.no_grad()
def binary(embedding: Tensor) -> Tensor:
    """The binary mask bool [units] of an embedding [units]: where its sigmoid is above 1/2. Where no unit is,
    the largest alone, as nothing passes through an empty layer."""
    mask = embedding > 0
    return mask if bool(mask.any()) else embedding == embedding.max()


def sparsity(masks: Sequence[Tensor], blocked: Sequence[Tensor]) -> Tensor:
    """The fraction of free units that these masks use, eq. (6), from 0 to 1. `masks` [units] and `blocked`
    bool [units] (reserved by an earlier class) are by layer."""
    free = [(~reserved).to(mask.dtype) for mask, reserved in zip(masks, blocked, strict=True)]
    wanted = torch.stack([(mask * part).sum() for mask, part in zip(masks, free, strict=True)]).sum()
    return wanted / torch.stack([part.sum() for part in free]).sum().clamp_min(1.0)


class _AdversarialTraining:
    """Generator and critic while one class is learned, with their optimisers."""

    def __init__(
        self,
        network: MaskedNetwork,
        critic: Critic,
        *,
        label: int,
        training: ClassTraining,
        rng: torch.Generator,
    ) -> None:
        self.network, self.critic, self.label = network, critic, label
        self.training, self.rng = training, rng
        self.blocked = [layer.blocked for layer in network.masked]
        # the paper's alpha: the fewer units are free, the more a new one costs
        self.alpha = network.units / max(1, network.units - network.blocked)
        self.embeddings, self.gains, self.shifts = (
            [fill(layer.units).requires_grad_() for layer in network.masked]
            for fill in (torch.zeros, torch.ones, torch.zeros)
        )
        self.parameters = [*network.parameters(), *self.embeddings, *self.gains, *self.shifts]
        self.trainable = self._trainable()
        self.adams = [self._adam([*critic.parameters()]), self._adam(self.parameters)]

    def class_masks(self, masks: Sequence[Tensor]) -> list[ClassMask]:
        """These masks with the class's own scale and shift, by layer."""
        return [ClassMask(*own) for own in zip(masks, self.gains, self.shifts, strict=True)]

    def _trainable(self) -> list[Tensor]:
        """By parameter a mask of the weights that may change, eq. (4): none of a reserved unit. In the order
        of `network.parameters()`: the output layer, then each masked layer."""
        free = [(~reserved).to(torch.float32) for reserved in self.blocked]
        layers = zip(self.network.masked, free, strict=True)
        return [
            free[-1].expand_as(self.network.output),
            *(part[:, None].expand_as(layer.weight) for layer, part in layers),
        ]

    def _adam(self, parameters: Sequence[Tensor]) -> Adam:
        count = sum(parameter.numel() for parameter in parameters)
        return Adam(count=count, beta1=0.5, beta2=0.9, max_norm=LONGEST_GRADIENT)

    def _latents(self) -> Tensor:
        return torch.randn(self.training.batch_size, self.network.latents, generator=self.rng)

    def critic_step(
        self, real: Tensor, old: OldExamples | None, masks: Sequence[ClassMask], *, learning_rate: float
    ) -> None:
        """One step of the critic: to tell real inputs from generated ones, and the classes from one
        another."""
        with torch.no_grad():
            generated = self.network(self._latents(), masks)
        real = real.detach().requires_grad_()
        hidden = self.critic.body(
            torch.cat([real, generated] if old is None else [real, generated, old.values])
        )
        scores, n = self.critic.score(hidden[: 2 * len(real)]), len(real)
        loss = F.softplus(-scores[:n]).mean() + F.softplus(scores[n:]).mean() + self._class_loss(hidden[:n])
        loss = loss + self._penalty(real, scores[:n])
        if old is not None:
            loss = loss + F.cross_entropy(self.critic.label(hidden[2 * n :]), old.labels)
        parameters = [*self.critic.parameters()]
        gradients = torch.autograd.grad(loss, parameters)
        self.adams[0].step(parameters, gradients, learning_rate=learning_rate)

    def generator_step(self, masks: Sequence[ClassMask], *, learning_rate: float) -> None:
        """One step of the generator and its masks: to be taken for real and for the class, with few new
        units."""
        hidden = self.critic.body(self.network(self._latents(), masks))
        loss = self._class_loss(hidden) + F.softplus(-self.critic.score(hidden)).mean()
        used = sparsity([class_mask.mask for class_mask in masks], self.blocked)
        found = torch.autograd.grad(loss + self.training.sparsity * self.alpha * used, self.parameters)
        shared, own = found[: len(self.trainable)], found[len(self.trainable) :]
        kept = [gradient * part for gradient, part in zip(shared, self.trainable, strict=True)]
        self.adams[1].step(self.parameters, [*kept, *own], learning_rate=learning_rate)

    def _class_loss(self, hidden: Tensor) -> Tensor:
        """Cross-entropy of the critic's class logits (Odena et al., 2016) for inputs of the class, from their
        hidden activations [n, hidden]."""
        labels = torch.full((len(hidden),), self.label)
        return F.cross_entropy(self.critic.label(hidden), labels)

    def _penalty(self, real: Tensor, scores: Tensor) -> Tensor:
        """The gradient penalty: weighted mean squared norm of the gradient of the scores at real inputs
        (Mescheder et al., 2018)."""
        (gradient_at_real,) = torch.autograd.grad(scores.sum(), real, create_graph=True)
        return 0.5 * self.training.gradient_penalty * gradient_at_real.square().sum(1).mean()
