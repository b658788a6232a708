"""Trains an update gate, so that a student that sees only new tasks represents what a multi-task teacher
does.

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

from streamlearner.gates.update_gate import UpdateGate, recorded_activities
from streamlearner.networks.base import Network, sgd_step
from streamlearner.networks.refused_steps import REFUSED

HUBER_WEIGHT = 300.0
"""Weight of the distance between representations; the paper's."""


class LabelledBatch(NamedTuple):
    """Inputs [n, *input_shape] with class indices [n]."""

    inputs: Tensor
    labels: Tensor


DrawTask: TypeAlias = Callable[[int], LabelledBatch]
"""`draw(n)`: a batch of n examples of one task, drawn independently."""


class EpisodeTasks(NamedTuple):
    """The tasks of one episode: `network`, from which teacher and student start, knows the `old` one; the
    student learns the `new` one."""

    network: Network
    old: DrawTask
    new: DrawTask


Target: TypeAlias = Literal["readout", "representation"]
"""What the student's loss measures. representation: Huber's loss between its features and the teacher's, as
in the paper. readout: the sum of both tasks' cross-entropies of the teacher's head on the student's features.
The distance between features also counts directions in which the teacher moves without need: on MNIST, held
out, plain SGD has a mean distance of 259 over 500 steps, and steps damped by the Fisher information of the
old digits have 293, although the accuracy of a joint readout is 0.935 and 0.948."""


@dataclass(frozen=True, slots=True)
class GateTraining:
    """Of meta-training: `episodes` of at most `steps` steps, each of `batch_size` examples of each task.

    `inner_rate` is the student's learning rate; the teacher's is `teacher_share` of it, as a teacher that
    moves noisily is a poor target. `outer_rate` and `own_rate` are Adam's: for the LSTM cells of the gate,
    and for its offsets of single weights. The state of the cells is reset every `horizon` steps, as in the
    daemon.

    An episode ends early where the loss exceeds a threshold, and gradients are backpropagated through a
    number of steps (truncation); both rise over the episodes, from `min_` to `max_threshold` and from `min_`
    to `max_truncation`.
    """

    episodes: int
    steps: int
    horizon: int
    batch_size: int
    inner_rate: float
    outer_rate: float
    own_rate: float = 0.1
    teacher_share: float = 0.5
    target: Target = "readout"
    min_threshold: float = 5.0
    max_threshold: float = 5.0
    min_truncation: int = 25
    max_truncation: int = 25

    def threshold_and_truncation(self, episode: int) -> tuple[float, int]:
        """Of an episode, counted from 0: constant over each quarter of the episodes, as in the paper."""
        part = min(3, 4 * episode // max(1, self.episodes)) / 3
        truncation = self.min_truncation + round(part * (self.max_truncation - self.min_truncation))
        return self.min_threshold + part * (self.max_threshold - self.min_threshold), truncation


class Episode(NamedTuple):
    """How an episode went: its number, the steps that it lasted, and their mean loss."""

    number: int
    steps: int
    loss: float


def meta_train(
    gate: UpdateGate, *, episode_tasks: Callable[[int], EpisodeTasks], training: GateTraining
) -> Iterator[Episode]:
    """Algorithm 1, one episode for each `yield`. `episode_tasks(i)` gives the tasks of episode i; all random
    draws are theirs.

    Differs: the gate takes one step for each truncation, on the sum of its losses, not one at each inner step
    through all steps of the truncation again.
    """
    adam = _optimiser(gate, training)
    for number in range(training.episodes):
        yield _episode(gate, episode_tasks(number), adam, training, number=number)


def _episode(
    gate: UpdateGate,
    tasks: EpisodeTasks,
    adam: torch.optim.Optimizer,
    training: GateTraining,
    *,
    number: int,
) -> Episode:
    threshold, truncation = training.threshold_and_truncation(number)
    teacher, student = copy.deepcopy(tasks.network), Student(tasks.network, gate)
    window, losses = torch.zeros(()), list[float]()
    for step in range(1, training.steps + 1):
        if (step - 1) % training.horizon == 0:
            student.state = gate.initial_state()
        old, new = tasks.old(training.batch_size), tasks.new(training.batch_size)
        joint_step(teacher, old, new, learning_rate=training.teacher_share * training.inner_rate)
        student.learn(new, learning_rate=training.inner_rate)
        loss = student_loss(student, teacher, old, new, target=training.target)
        window = window + loss
        losses.append(float(loss.detach()))
        failed = not losses[-1] <= threshold
        if failed or step % truncation == 0 or step == training.steps:
            _outer_step(adam, gate, window)
            student.detach()
            window = torch.zeros(())
        if failed:
            break
    return Episode(number, len(losses), sum(losses) / len(losses))


def student_loss(
    student: Student, teacher: Network, old: LabelledBatch, new: LabelledBatch, *, target: Target
) -> Tensor:
    """How far the student is from its `target` (see `Target`) on these examples, a scalar."""
    both, n = torch.cat([old.inputs, new.inputs]), len(old.labels)
    shown = student.features(both)
    if target == "representation":
        with torch.no_grad():
            wanted = teacher.train().features(both)
        return HUBER_WEIGHT * F.huber_loss(shown, wanted)
    head = teacher.head
    # cloned: SGD changes the head in place before the gradient is taken
    read = F.linear(shown, head.weight.detach().clone(), head.bias.detach().clone())
    return task_cross_entropy(read[:n], old.labels) + task_cross_entropy(read[n:], new.labels)


def _optimiser(gate: UpdateGate, training: GateTraining) -> torch.optim.Adam:
    own = [part for name, part in gate.named_parameters() if name.endswith(".own")]
    shared = [part for name, part in gate.named_parameters() if not name.endswith(".own")]
    groups = [
        {"params": shared, "lr": training.outer_rate},
        {"params": own, "lr": training.own_rate},
    ]
    return torch.optim.Adam([group for group in groups if group["params"]])


def _outer_step(adam: torch.optim.Optimizer, gate: UpdateGate, loss: Tensor) -> None:
    adam.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    length = torch.nn.utils.clip_grad_norm_(gate.parameters(), 10.0)
    if bool(torch.isfinite(length)):
        adam.step()
    else:
        REFUSED.add()


def task_cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean cross-entropy of logits [n, rows] among the classes that occur in `labels` [n] alone."""
    classes, targets = torch.unique(labels, return_inverse=True)
    return F.cross_entropy(logits[:, classes], targets)


def pretrain(network: Network, draw: DrawTask, *, steps: int, batch_size: int, learning_rate: float) -> None:
    """SGD on one task: `steps` batches of `batch_size`, in place."""
    for _ in range(steps):
        drawn = draw(batch_size)
        loss = task_cross_entropy(network.train()(drawn.inputs), drawn.labels)
        loss.backward()  # type: ignore[no-untyped-call]
        sgd_step(network, learning_rate=learning_rate, loss=float(loss.detach()))


def joint_step(teacher: Network, old: LabelledBatch, new: LabelledBatch, *, learning_rate: float) -> None:
    """One SGD step of the multi-task teacher on both tasks."""
    logits = teacher.train()(torch.cat([old.inputs, new.inputs]))
    n = len(old.labels)
    loss = task_cross_entropy(logits[:n], old.labels) + task_cross_entropy(logits[n:], new.labels)
    loss.backward()  # type: ignore[no-untyped-call]
    sgd_step(teacher, learning_rate=learning_rate, loss=float(loss.detach()))


class Student:
    """Learns new examples by gated SGD steps. Its weights keep the autograd graph of the gates that changed
    them."""

    def __init__(self, network: Network, gate: UpdateGate) -> None:
        self.network = copy.deepcopy(network).train()
        self.gate = gate
        self.state = gate.initial_state()
        self.weights = {name: weight.detach() for name, weight in self.network.body.named_parameters()}
        self.multipliers: dict[str, Tensor] = {}

    def features(self, inputs: Tensor) -> Tensor:
        shown: Tensor = functional_call(self.network.body, self.weights, (inputs,))
        return shown

    def learn(self, new: LabelledBatch, *, learning_rate: float) -> None:
        """One step, of first order: nothing is backpropagated through a gradient."""
        here = {name: weight.detach().requires_grad_() for name, weight in self.weights.items()}
        head = [self.network.head.weight, self.network.head.bias]
        with recorded_activities(self.network.body) as activities:
            features = functional_call(self.network.body, here, (new.inputs,))
        loss = task_cross_entropy(self.network.head(features), new.labels)
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

    def detach(self) -> None:
        """Cuts the autograd graph: later losses are not backpropagated through earlier steps."""
        self.weights = {name: weight.detach() for name, weight in self.weights.items()}
        self.state = self.state.detach()

    @torch.no_grad()
    def trained_network(self) -> Network:
        """The network with the student's weights."""
        for name, weight in self.network.body.named_parameters():
            weight.copy_(self.weights[name])
        return self.network
