"""How a masked generator learns a class: against a critic, with masks that harden as it goes.

After "Learning to remember: Dynamic Generative Memory for Continual Learning" (paper 004), section 4.1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from streamlearner.generative.masked_network import SLOPE, MaskedNetwork, Share
from streamlearner.networks.adam import Adam

LONGEST_GRADIENT = 100.0
"""See `Adam.max_norm`."""


@dataclass(frozen=True, slots=True)
class Course:
    """How long and how hard a class is learned: `steps` of the critic and the generator in turn on
    `batch_size` examples each; `sharpest`, the paper's s_max; `sparsity` and `gradient_penalty`, its weights
    lambda_RU and lambda_GP; `hidden` units in each of the critic's two layers."""

    steps: int
    batch_size: int
    learning_rate: float
    sharpest: float
    sparsity: float
    gradient_penalty: float
    hidden: int


class Old(NamedTuple):
    """Generated examples of classes learned before: values [n, values], class indices [n]."""

    values: Tensor
    labels: Tensor


Draw: TypeAlias = Callable[[int], Tensor]
"""`draw(n)`: n examples of the class, drawn independently, as values [n, values]."""
DrawOld: TypeAlias = Callable[[int], Old | None]
"""`draw(n)`: n examples of the classes before; None where there are none."""


class Critic(nn.Module):
    """Two layers under two answers: how real an input is, and which class it is of.

    Differs: the first is a probability, its slope held small where inputs are real (Mescheder et al., 2018);
    the paper's is a score without bounds, its slope held at 1 (Gulrajani et al., 2017). (3, 4, 5 and 9,
    held out, 500 steps each: Frechet distance of a classifier's features 49 so, 94 as in the paper.)
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
    draw: Draw,
    draw_old: DrawOld,
    classes: int,
    course: Course,
    chance: torch.Generator,
) -> Iterator[list[Tensor]]:
    """One step of the critic and one of the generator for each `yield`, which gives the masks of that step;
    then the class is reserved.

    Free units and their masks learn; reserved ones are used as they are. `classes`: as many as the critic
    tells apart, more than `label`. The critic starts anew.
    """
    critic = _critic(network, classes=classes, hidden=course.hidden, chance=chance)
    duel = _Duel(network, critic, label=label, course=course, chance=chance)
    for step in range(course.steps):
        sharpness = annealed(step, steps=course.steps, sharpest=course.sharpest)
        pace = min(1.0, 2.0 * (1.0 - step / course.steps))
        shares = duel.shares([(sharpness * embedding).sigmoid() for embedding in duel.embeddings])
        duel.teach_critic(draw(course.batch_size), draw_old(course.batch_size), shares, pace=pace)
        duel.teach_generator(shares, pace=pace)
        yield [share.mask for share in shares]
    network.reserve(
        label, duel.shares([binary(embedding).float() for embedding in duel.embeddings]), chance=chance
    )


def _critic(network: MaskedNetwork, *, classes: int, hidden: int, chance: torch.Generator) -> Critic:
    with torch.random.fork_rng(devices=[]):  # torch initialises from the global generator: lend it our seed
        torch.manual_seed(int(torch.randint(2**62, (1,), generator=chance)))
        return Critic(values=network.output.shape[0], hidden=hidden, classes=classes)


def annealed(step: int, *, steps: int, sharpest: float) -> float:
    """The masks' steepness s, eq. (3): from 1 / sharpest at the first step to sharpest at the last, in a
    straight line. (By steps where the paper counts epochs.)"""
    return 1.0 / sharpest + (sharpest - 1.0 / sharpest) * step / max(1, steps - 1)


@torch.no_grad()
def binary(embedding: Tensor) -> Tensor:
    """The mask that an embedding [units] ends as, bool [units]: sigmoid above a half. Where no unit is above,
    the highest alone: nothing can be shown through an empty layer."""
    mask = embedding > 0
    return mask if bool(mask.any()) else embedding == embedding.max()


def sparsity(masks: Sequence[Tensor], blocked: Sequence[Tensor]) -> Tensor:
    """Of the units that no class before has reserved the share that these masks take, eq. (6); from 0 to 1.
    Masks [units] and bool [units], by layer."""
    free = [(~taken).to(mask.dtype) for mask, taken in zip(masks, blocked, strict=True)]
    wanted = torch.stack([(mask * part).sum() for mask, part in zip(masks, free, strict=True)]).sum()
    return wanted / torch.stack([part.sum() for part in free]).sum().clamp_min(1.0)


class _Duel:
    """The two networks of one class, with their optimisers."""

    def __init__(
        self,
        network: MaskedNetwork,
        critic: Critic,
        *,
        label: int,
        course: Course,
        chance: torch.Generator,
    ) -> None:
        self.network, self.critic, self.label = network, critic, label
        self.course, self.chance = course, chance
        self.blocked = [layer.blocked for layer in network.masked]
        self.load = network.units / max(1, network.units - network.blocked)  # the paper's alpha
        self.embeddings, self.gains, self.shifts = (
            [fill(layer.units).requires_grad_() for layer in network.masked]
            for fill in (torch.zeros, torch.ones, torch.zeros)
        )
        self.learned = [*network.parameters(), *self.embeddings, *self.gains, *self.shifts]
        self.open = self._open()
        self.adams = [self._adam([*critic.parameters()]), self._adam(self.learned)]

    def shares(self, masks: Sequence[Tensor]) -> list[Share]:
        """What the class has of each layer, by these masks."""
        return [Share(*own) for own in zip(masks, self.gains, self.shifts, strict=True)]

    def _open(self) -> list[Tensor]:
        """What may change of each parameter of the network, eq. (4): nothing of a reserved unit. In the order
        of `network.parameters()`: the output, then each layer."""
        free = [(~taken).to(torch.float32) for taken in self.blocked]
        layers = zip(self.network.masked, free, strict=True)
        return [
            free[-1].expand_as(self.network.output),
            *(part[:, None].expand_as(layer.weight) for layer, part in layers),
        ]

    def _adam(self, parameters: Sequence[Tensor]) -> Adam:
        count = sum(parameter.numel() for parameter in parameters)
        return Adam(count=count, beta1=0.5, beta2=0.9, max_norm=LONGEST_GRADIENT)

    def _latents(self) -> Tensor:
        return torch.randn(self.course.batch_size, self.network.latents, generator=self.chance)

    def teach_critic(self, real: Tensor, old: Old | None, shares: Sequence[Share], *, pace: float) -> None:
        """One step: real told from made, and the classes from one another."""
        with torch.no_grad():
            made = self.network(self._latents(), shares)
        real = real.detach().requires_grad_()
        hidden = self.critic.body(torch.cat([real, made] if old is None else [real, made, old.values]))
        scores, n = self.critic.score(hidden[: 2 * len(real)]), len(real)
        loss = F.softplus(-scores[:n]).mean() + F.softplus(scores[n:]).mean() + self._named(hidden[:n])
        loss = loss + self._penalty(real, scores[:n])
        if old is not None:
            loss = loss + F.cross_entropy(self.critic.label(hidden[2 * n :]), old.labels)
        learned = [*self.critic.parameters()]
        gradients = torch.autograd.grad(loss, learned)
        self.adams[0].step(learned, gradients, learning_rate=pace * self.course.learning_rate)

    def teach_generator(self, shares: Sequence[Share], *, pace: float) -> None:
        """One step: made inputs taken for real and for their class, through few new units."""
        hidden = self.critic.body(self.network(self._latents(), shares))
        loss = self._named(hidden) + F.softplus(-self.critic.score(hidden)).mean()
        taken = sparsity([share.mask for share in shares], self.blocked)
        found = torch.autograd.grad(loss + self.course.sparsity * self.load * taken, self.learned)
        shared, own = found[: len(self.open)], found[len(self.open) :]
        kept = [gradient * part for gradient, part in zip(shared, self.open, strict=True)]
        self.adams[1].step(self.learned, [*kept, *own], learning_rate=pace * self.course.learning_rate)

    def _named(self, hidden: Tensor) -> Tensor:
        """Loss of the auxiliary answer (Odena et al., 2016) for inputs of the class."""
        labels = torch.full((len(hidden),), self.label)
        return F.cross_entropy(self.critic.label(hidden), labels)

    def _penalty(self, real: Tensor, scores: Tensor) -> Tensor:
        """Weighted mean squared slope of the scores where inputs are real (Mescheder et al., 2018)."""
        (slope,) = torch.autograd.grad(scores.sum(), real, create_graph=True)
        return 0.5 * self.course.gradient_penalty * slope.square().sum(1).mean()
