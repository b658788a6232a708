"""Trains an update gate: a student that sees new tasks alone is to represent what a multi-task teacher does.

After "Learning to Remember from a Multi-Task Teacher" (paper 002), Algorithm 1.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

import torch
from torch import Tensor
from torch.func import functional_call
from torch.nn import functional as F

from streamlearner.gates.update_gate import UpdateGate, observed
from streamlearner.networks.base import Network, descend

HUBER_WEIGHT = 300.0
"""The paper's, of the distance between representations."""


class Drawn(NamedTuple):
    """Inputs [n, *input_shape] with class indices [n]."""

    inputs: Tensor
    labels: Tensor


Draw: TypeAlias = Callable[[int], Drawn]
"""`draw(n)`: n examples of a task, drawn independently."""


class Lesson(NamedTuple):
    """An episode's tasks: the network knows the `old` one, the student is to learn the `new` one. `network`
    is where both start."""

    network: Network
    old: Draw
    new: Draw


Target: TypeAlias = Literal["readout", "representation"]
"""What a student is held to. representation: the teacher's, by Huber's loss, as in the paper. readout: what
the teacher's head reads from the student's representation is to be right, by the sum of both tasks'
cross-entropies. The distance of all features also counts ways that the teacher goes without need: on MNIST,
held out, plain descent has a mean of 259 over 500 steps, and steps that are damped where the old digits'
Fisher information is great have 293, while the joint readout is 0.935 and 0.948."""


@dataclass(frozen=True, slots=True)
class Course:
    """`episodes` of at most `steps` steps of `batch_size` examples of each task. A student moves by
    `inner_rate`, its teacher by `teacher_share` of that: a noisy teacher is no aim. `outer_rate` and
    `own_rate` are Adam's, for the gate's cells and for what is each weight's own. The cells begin anew every
    `horizon` steps, as in the daemon. The curriculum, by episode: an episode ends early where the loss
    exceeds a threshold, which rises from `least` to `most`, and gradients go back through `shortest` to
    `longest` steps."""

    episodes: int
    steps: int
    horizon: int
    batch_size: int
    inner_rate: float
    outer_rate: float
    own_rate: float = 0.1
    teacher_share: float = 0.5
    target: Target = "readout"
    least: float = 5.0
    most: float = 5.0
    shortest: int = 25
    longest: int = 25

    def at(self, episode: int) -> tuple[float, int]:
        """Threshold and truncation of an episode: four equal parts, as the paper has them."""
        part = min(3, 4 * episode // max(1, self.episodes)) / 3
        truncation = self.shortest + round(part * (self.longest - self.shortest))
        return self.least + part * (self.most - self.least), truncation


class Episode(NamedTuple):
    """How an episode went: steps that it lasted, mean loss of them."""

    number: int
    steps: int
    loss: float


def meta_train(gate: UpdateGate, *, lesson: Callable[[int], Lesson], course: Course) -> Iterator[Episode]:
    """Algorithm 1; one episode for each `yield`. `lesson(i)` gives the tasks of episode i, and all chance.

    Differs: the gate moves once for every truncation's steps, by the sum of their losses, not at each step
    through all of them again.
    """
    adam = _optimiser(gate, course)
    for number in range(course.episodes):
        threshold, truncation = course.at(number)
        yield _episode(
            gate, lesson(number), adam, course, number=number, threshold=threshold, truncation=truncation
        )


def _episode(
    gate: UpdateGate,
    lesson: Lesson,
    adam: torch.optim.Optimizer,
    course: Course,
    *,
    number: int,
    threshold: float,
    truncation: int,
) -> Episode:
    teacher, student = copy.deepcopy(lesson.network), Student(lesson.network, gate)
    window, losses = torch.zeros(()), list[float]()
    for step in range(1, course.steps + 1):
        if (step - 1) % course.horizon == 0:
            student.state = gate.fresh()
        old, new = lesson.old(course.batch_size), lesson.new(course.batch_size)
        teach_both(teacher, old, new, learning_rate=course.teacher_share * course.inner_rate)
        student.learn(new, learning_rate=course.inner_rate)
        loss = strayed(student, teacher, old, new, target=course.target)
        window = window + loss
        losses.append(float(loss.detach()))
        failed = not losses[-1] <= threshold
        if failed or step % truncation == 0 or step == course.steps:
            _descend_outer(adam, gate, window)
            student.forget_graph()
            window = torch.zeros(())
        if failed:
            break
    return Episode(number, len(losses), sum(losses) / len(losses))


def strayed(student: Student, teacher: Network, old: Drawn, new: Drawn, *, target: Target) -> Tensor:
    """How far the student is from its target, at these examples."""
    both, n = torch.cat([old.inputs, new.inputs]), len(old.labels)
    shown = student.features(both)
    if target == "representation":
        with torch.no_grad():
            wanted = teacher.train().features(both)
        return HUBER_WEIGHT * F.huber_loss(shown, wanted)
    head = teacher.head
    read = F.linear(shown, head.weight.detach().clone(), head.bias.detach().clone())  # it moves in place
    return within(read[:n], old.labels) + within(read[n:], new.labels)


def _optimiser(gate: UpdateGate, course: Course) -> torch.optim.Adam:
    own = [part for name, part in gate.named_parameters() if name.endswith(".own")]
    shared = [part for name, part in gate.named_parameters() if not name.endswith(".own")]
    groups = [{"params": shared, "lr": course.outer_rate}, {"params": own, "lr": course.own_rate}]
    return torch.optim.Adam([group for group in groups if group["params"]])


def _descend_outer(adam: torch.optim.Optimizer, gate: UpdateGate, loss: Tensor) -> None:
    adam.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    length = torch.nn.utils.clip_grad_norm_(gate.parameters(), 10.0)
    if bool(torch.isfinite(length)):
        adam.step()


def within(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy among the classes of these labels alone: a task of its own."""
    classes, targets = torch.unique(labels, return_inverse=True)
    return F.cross_entropy(logits[:, classes], targets)


def learn_alone(network: Network, draw: Draw, *, steps: int, batch_size: int, learning_rate: float) -> None:
    """Plain steps on one task, in place."""
    for _ in range(steps):
        drawn = draw(batch_size)
        loss = within(network.train()(drawn.inputs), drawn.labels)
        loss.backward()  # type: ignore[no-untyped-call]
        descend(network, learning_rate=learning_rate, loss=float(loss.detach()))


def teach_both(teacher: Network, old: Drawn, new: Drawn, *, learning_rate: float) -> None:
    """A step of the multi-task teacher."""
    logits = teacher.train()(torch.cat([old.inputs, new.inputs]))
    n = len(old.labels)
    loss = within(logits[:n], old.labels) + within(logits[n:], new.labels)
    loss.backward()  # type: ignore[no-untyped-call]
    descend(teacher, learning_rate=learning_rate, loss=float(loss.detach()))


class Student:
    """Learns new examples by gated steps. Its weights keep the graph of the gates that moved them."""

    def __init__(self, network: Network, gate: UpdateGate) -> None:
        self.network = copy.deepcopy(network).train()
        self.gate = gate
        self.state = gate.fresh()
        self.weights = {name: weight.detach() for name, weight in self.network.body.named_parameters()}
        self.multipliers: dict[str, Tensor] = {}

    def features(self, inputs: Tensor) -> Tensor:
        shown: Tensor = functional_call(self.network.body, self.weights, (inputs,))
        return shown

    def learn(self, new: Drawn, *, learning_rate: float) -> None:
        """One step; of first order: no gradient goes through a gradient."""
        here = {name: weight.detach().requires_grad_() for name, weight in self.weights.items()}
        head = [self.network.head.weight, self.network.head.bias]
        with observed(self.network.body) as activities:
            features = functional_call(self.network.body, here, (new.inputs,))
        loss = within(self.network.head(features), new.labels)
        found = torch.autograd.grad(loss, [*here.values(), *head])
        gradients = dict(zip(here, found, strict=False))
        self.multipliers, self.state = self.gate(self.weights, gradients, activities, self.state)
        self.weights = {
            name: weight - learning_rate * gradients[name] * self.multipliers.get(name, 1.0)
            for name, weight in self.weights.items()
        }
        with torch.no_grad():
            for weight, gradient in zip(head, found[-2:], strict=True):
                weight.sub_(learning_rate * gradient)

    def forget_graph(self) -> None:
        """Cuts what gradients go back through."""
        self.weights = {name: weight.detach() for name, weight in self.weights.items()}
        self.state = self.state.detach()

    @torch.no_grad()
    def settled(self) -> Network:
        """The network with the student's weights."""
        for name, weight in self.network.body.named_parameters():
            weight.copy_(self.weights[name])
        return self.network
