"""Rules by which a network learns a second task, and probes of what it keeps (paper 002, section 5.1)."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from streamlearner.bench.kit.fixture import Dataset
from streamlearner.bench.kit.retention_curve import to_tensor
from streamlearner.evaluation.readout import LinearProbe
from streamlearner.gates.meta_learning import (
    DrawTask,
    LabelledBatch,
    Student,
    joint_step,
    pretrain,
    task_cross_entropy,
)
from streamlearner.gates.update_gate import UpdateGate
from streamlearner.networks.base import Network, sgd_step
from streamlearner.networks.by_name import lenet

BATCH = 32
PROBED = 5_000
"""Examples of each task that a probe is trained on."""
FISHER_EXAMPLES = 500


@dataclass(frozen=True, slots=True)
class Task:
    """Images [n, C, H, W] float32 in [0, 1] and their classes [n]."""

    images: Tensor
    labels: Tensor

    def of(self, classes: tuple[int, ...]) -> Task:
        chosen = torch.isin(self.labels, torch.tensor(classes))
        return Task(self.images[chosen], self.labels[chosen])

    def half(self, which: int) -> Task:
        """Every other example, from the first (`which` 0) or the second (1)."""
        return Task(self.images[which::2], self.labels[which::2])

    def first(self, count: int) -> Task:
        return Task(self.images[:count], self.labels[:count])

    def joined_with(self, other: Task) -> Task:
        """Both tasks as one."""
        return Task(torch.cat([self.images, other.images]), torch.cat([self.labels, other.labels]))

    def draw(self, rng: torch.Generator) -> DrawTask:
        def drawn(n: int) -> LabelledBatch:
            chosen = torch.randint(len(self.labels), (n,), generator=rng)
            return LabelledBatch(self.images[chosen], self.labels[chosen])

        return drawn


def task_of(dataset: Dataset) -> Task:
    """All examples of the data set as one task."""
    images = to_tensor(dataset).float().div_(255)
    return Task(images, torch.tensor([int(label) for label in dataset.labels]))


@dataclass(frozen=True, slots=True)
class Pair:
    """The task that the network knows and the one that it then learns, each with training and test
    examples."""

    old: Task
    new: Task
    old_test: Task
    new_test: Task

    def measured(self, network: Network) -> dict[str, float]:
        """Readout of both tasks together (`joint`) and of each, by probes on frozen features."""
        old, new = self.old.first(PROBED), self.new.first(PROBED)
        parts = {
            "joint": (old.joined_with(new), self.old_test.joined_with(self.new_test)),
            "old": (old, self.old_test),
            "new": (new, self.new_test),
        }
        return {name: probe_accuracy(network, train, test) for name, (train, test) in parts.items()}


@torch.no_grad()
def probe_accuracy(network: Network, train: Task, test: Task) -> float:
    """Test accuracy of a linear probe on the network's features."""
    network.eval()
    features = [
        torch.cat([network.features(part) for part in torch.split(task.images, 500)])
        for task in (train, test)
    ]
    return readout_accuracy(features[0], train.labels, test_features=features[1], test_labels=test.labels)


def readout_accuracy(
    features: Tensor, labels: Tensor, *, test_features: Tensor, test_labels: Tensor
) -> float:
    """The fraction of test examples that a linear probe, fitted to `features` [n, f] and `labels` [n],
    classifies right. Raises ValueError where either part is empty."""
    if not len(labels) or not len(test_labels):
        raise ValueError(f"{len(labels)} examples to train a probe on, {len(test_labels)} to test it on")
    probe = LinearProbe(features, labels, classes=torch.unique(labels))
    return float((probe.predict(test_features) == test_labels).float().mean())


def pretrained_network(old: Task, *, seed: int, steps: int, learning_rate: float) -> Network:
    """A small LeNet after `steps` on the old task."""
    rng = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = lenet(input_shape=old.images.shape[1:], channels=(8, 16), hidden=64)
    pretrain(network, old.draw(rng), steps=steps, batch_size=BATCH, learning_rate=learning_rate)
    return network


LearningRule = Callable[..., Network]
"""`learn(network, old, new, steps=, learning_rate=)` returns the network after so many steps on batches drawn
from `new`; `old` draws examples of the old task, for rules that use them."""


def freeze(network: Network, old: DrawTask, new: DrawTask, *, steps: int, learning_rate: float) -> Network:
    return network


def sgd(network: Network, old: DrawTask, new: DrawTask, *, steps: int, learning_rate: float) -> Network:
    return _trained(network, new, steps=steps, learning_rate=learning_rate, extra=None)


def sgd_tenth(network: Network, old: DrawTask, new: DrawTask, *, steps: int, learning_rate: float) -> Network:
    return sgd(network, old, new, steps=steps, learning_rate=0.1 * learning_rate)


def teacher(network: Network, old: DrawTask, new: DrawTask, *, steps: int, learning_rate: float) -> Network:
    """Learns from both tasks: the upper bound."""
    student = copy.deepcopy(network)
    for _ in range(steps):
        joint_step(student, old(BATCH), new(BATCH), learning_rate=learning_rate)
    return student


def lwf(weight: float, temperature: float = 2.0) -> LearningRule:
    """Learning without forgetting (Li and Hoiem, 2018): on the new examples, the outputs of the old classes
    are kept as they were."""

    def learn(network: Network, old: DrawTask, new: DrawTask, *, steps: int, learning_rate: float) -> Network:
        before, classes = copy.deepcopy(network).eval(), torch.unique(old(200).labels)

        def extra(student: Network, inputs: Tensor, logits: Tensor) -> Tensor:
            with torch.no_grad():
                wanted = (before(inputs)[:, classes] / temperature).softmax(1)
            own = logits[:, classes] / temperature
            return weight * temperature**2 * F.cross_entropy(own, wanted)

        return _trained(network, new, steps=steps, learning_rate=learning_rate, extra=extra)

    return learn


def ewc(weight: float) -> LearningRule:
    """Elastic weight consolidation (Kirkpatrick et al., 2017): a quadratic penalty on each weight's change,
    by the diagonal of the old task's Fisher information."""

    def learn(network: Network, old: DrawTask, new: DrawTask, *, steps: int, learning_rate: float) -> Network:
        anchors = [value.detach().clone() for value in network.weights]
        fisher = information(network, old)

        def extra(student: Network, inputs: Tensor, logits: Tensor) -> Tensor:
            held = zip(student.weights, anchors, fisher, strict=True)
            return 0.5 * weight * torch.stack([(f * (w - a).square()).sum() for w, a, f in held]).sum()

        return _trained(network, new, steps=steps, learning_rate=learning_rate, extra=extra)

    return learn


def information(network: Network, old: DrawTask) -> list[Tensor]:
    """Mean squared gradient of the log likelihood of the old labels, by weight."""
    found = [torch.zeros_like(weight) for weight in network.weights]
    examples = old(FISHER_EXAMPLES)
    classes, targets = torch.unique(examples.labels, return_inverse=True)
    for image, target in zip(examples.inputs, targets, strict=True):
        loss = F.cross_entropy(network.eval()(image[None])[:, classes], target[None])
        for total, gradient in zip(found, torch.autograd.grad(loss, network.weights), strict=True):
            total.add_(gradient.square() / FISHER_EXAMPLES)
    return found


def gated(gate: UpdateGate, *, horizon: int) -> LearningRule:
    """The learned update rule (paper 002). The gate's cells are reset after `horizon` steps, as in the
    daemon; no example of the old task is used."""

    def learn(network: Network, old: DrawTask, new: DrawTask, *, steps: int, learning_rate: float) -> Network:
        students = gated_steps(network, gate, new, steps=steps, learning_rate=learning_rate, horizon=horizon)
        return list(students)[-1].trained_network()

    return learn


def gated_steps(
    network: Network, gate: UpdateGate, new: DrawTask, *, steps: int, learning_rate: float, horizon: int
) -> Iterator[Student]:
    """The same student after each of its steps."""
    student = Student(network, gate)
    for step in range(steps):
        if step % horizon == 0:
            student.state = gate.initial_state()
        student.learn(new(BATCH), learning_rate=learning_rate)
        student.detach()
        yield student


def _trained(
    network: Network,
    new: DrawTask,
    *,
    steps: int,
    learning_rate: float,
    extra: Callable[[Network, Tensor, Tensor], Tensor] | None,
) -> Network:
    student = copy.deepcopy(network)
    for _ in range(steps):
        examples = new(BATCH)
        logits = student.train()(examples.inputs)
        loss = task_cross_entropy(logits, examples.labels)
        if extra is not None:
            loss = loss + extra(student, examples.inputs, logits)
        loss.backward()  # type: ignore[no-untyped-call]
        sgd_step(student, learning_rate=learning_rate, loss=float(loss.detach()))
    return student


def learning_rules(*, lwf_weight: float) -> Mapping[str, LearningRule]:
    """By arm, all rules but the learned one."""
    return {
        "freeze": freeze,
        "sgd": sgd,
        "sgd_tenth": sgd_tenth,
        "lwf": lwf(lwf_weight),
        "ewc": ewc(100.0),
        "teacher": teacher,
    }
