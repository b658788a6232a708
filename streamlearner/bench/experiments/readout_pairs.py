"""What features keep of an old task while a new one is learned (paper 002, Table 1 and Figure 4)."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from streamlearner.bench.kit import ordering
from streamlearner.bench.kit.experiment import Scope, Trial, trial_rows
from streamlearner.bench.kit.fixture import Dataset, Fixture
from streamlearner.bench.kit.results import Row
from streamlearner.bench.kit.summary import Summary
from streamlearner.bench.material.gate_histogram import histogram_metrics
from streamlearner.bench.material.readout import (
    BATCH,
    LearningRule,
    Pair,
    Task,
    gated,
    gated_steps,
    learning_rules,
    pretrained_network,
    task_of,
)
from streamlearner.bench.plots import gates as gate_plot
from streamlearner.bench.streams.gate_training import HORIZON, QUICK_STEPS, TRAINING, trained_gate
from streamlearner.gates.update_gate import UpdateGate
from streamlearner.networks.base import Network

OLD, NEW = (0, 1, 2, 3, 4), (5, 6, 7, 8, 9)
TRAINED_ON, UNSEEN = (5, 6, 7), (8, 9)
"""Generalisation (the paper's experiment 2): a gate is trained with some new classes and tested with
others."""
PRETRAINING_STEPS, PRETRAINING_RATE = 1_500, 0.1
STEPS, RATE = 500, 0.2
"""On the new task; the number of steps is the paper's."""
GATE = "gate_outputs"
"""An arm that measures no rule but the distribution of a gate's multipliers (the paper's Figure 7)."""
QUICK_SIZES = 1_000, 200


@dataclass(frozen=True, slots=True)
class Readout:
    """Two pairs of tasks, the second with new classes that no gate was trained with; an arm is a rule by
    which the new task is learned.

    `data` has ten classes; `rate` is the learning rate on the new task, `lwf_weight` was chosen for it. With
    `tested_one_in`, one in so many training images of each class, always the same ones, is the test set.
    """

    name: str
    protocol: str
    data: str = "MNIST"
    rate: float = RATE
    lwf_weight: float = 0.1
    tested_one_in: int | None = None
    held_out_one_in: int = 6

    def trials(self, scope: Scope) -> Iterable[Trial]:
        for arm in (*self._learners, "ours"):
            for seed in range(scope.seeds):
                yield Trial(arm=arm, budget_bits=0, seed=seed)
        yield Trial(arm=GATE, budget_bits=0, seed=0)

    def run(self, trial: Trial, *, fixture: Fixture, scope: Scope) -> Iterator[Row]:
        training, test = self._training_and_test(fixture, scope)
        started = time.perf_counter()
        network = pretrained_network(
            task_of(training).of(OLD),
            seed=trial.seed,
            steps=QUICK_STEPS if scope.quick else PRETRAINING_STEPS,
            learning_rate=PRETRAINING_RATE,
        )
        if trial.arm == GATE:
            measured, examples = self._multipliers(network, task_of(training), quick=scope.quick), STEPS
        else:
            measured, examples = self._readouts(trial, network, task_of(training), task_of(test), scope.quick)
        seconds = time.perf_counter() - started
        bits = sum(weight.nbytes * 8 for weight in network.weights)
        yield from trial_rows(trial, measured, parameter_bits=bits, seconds=seconds, examples=examples)

    def _readouts(
        self, trial: Trial, network: Network, training: Task, test: Task, quick: bool
    ) -> tuple[dict[str, float], int]:
        """Readouts of both pairs after the arm has learned the new task, and how many examples it learned."""
        measured, steps = dict[str, float](), QUICK_STEPS if quick else STEPS
        for suffix, gate_classes, new_classes in (("", NEW, NEW), ("_unseen", TRAINED_ON, UNSEEN)):
            pair = _pair(training, test, new=new_classes)
            learn = self._rule(
                trial, network, old=pair.old, new=training.of(gate_classes).half(0), quick=quick
            )
            rng = torch.Generator().manual_seed(1_000 + trial.seed)
            learned = learn(
                network, pair.old.draw(rng), pair.new.draw(rng), steps=steps, learning_rate=self.rate
            )
            measured |= {f"readout_{part}{suffix}": value for part, value in pair.measured(learned).items()}
        return measured, 2 * steps * BATCH

    def _training_and_test(self, fixture: Fixture, scope: Scope) -> tuple[Dataset, Dataset]:
        """Training and test images."""
        if self.tested_one_in is None:
            return ordering.training_and_test(
                fixture, self.data, scope, quick=QUICK_SIZES, held_out_one_in=self.held_out_one_in
            )
        whole = fixture.load_dataset(self.data, True, QUICK_SIZES[0] if scope.quick else None)
        training, test = ordering.split_held_out(whole, held_out_one_in=self.tested_one_in)
        if scope.held_out:
            return ordering.split_held_out(training, held_out_one_in=self.held_out_one_in)
        return training, test

    def _rule(self, trial: Trial, network: Network, *, old: Task, new: Task, quick: bool) -> LearningRule:
        """The arm's rule; `ours` first trains its gate on `new`."""
        if trial.arm != "ours":
            return self._learners[trial.arm]
        gate = self._gate(network, old, new, seed=trial.seed, quick=quick)
        return gated(gate, horizon=HORIZON)

    @property
    def _learners(self) -> Mapping[str, LearningRule]:
        return learning_rules(lwf_weight=self.lwf_weight)

    def _gate(self, network: Network, old: Task, new: Task, *, seed: int, quick: bool) -> UpdateGate:
        """A gate for this network: the paper's first experiment has one checkpoint, as each trial has
        here."""
        training = replace(TRAINING, inner_rate=self.rate)
        return trained_gate(network, old, new, training=training, seed=seed, quick=quick)

    def _multipliers(self, network: Network, training: Task, *, quick: bool) -> dict[str, float]:
        """The distribution of the multipliers of a gate of seed 0 over all steps, by layer."""
        pair = _pair(training, training, new=NEW)
        own = training.of(NEW).half(0)
        gate = self._gate(network, pair.old, own, seed=0, quick=quick)
        new = pair.new.draw(torch.Generator().manual_seed(1_000))
        found: dict[str, list[Tensor]] = {}
        steps = QUICK_STEPS if quick else STEPS
        for student in gated_steps(network, gate, new, steps=steps, learning_rate=self.rate, horizon=HORIZON):
            for name, multipliers in student.multipliers.items():
                found.setdefault(name, []).append(multipliers.detach().flatten())
        return histogram_metrics(found)

    def draw(self, found: Sequence[Summary], *, quick: bool, path: Path) -> None:
        """Readouts of each rule, and the gate's multipliers."""
        gate_plot.draw(found, title=self.name, quick=quick, path=path)


def _pair(training: Task, test: Task, *, new: tuple[int, ...]) -> Pair:
    """The new task has the half of its examples that no gate was trained on."""
    return Pair(
        old=training.of(OLD), new=training.of(new).half(1), old_test=test.of(OLD), new_test=test.of(new)
    )


MNIST_READOUT = Readout(
    name="mnist-readout",
    protocol=(
        "Representations from one task to the next (paper 002, experiment 1): a small LeNet (8 and 16 "
        f"channels, 64 hidden) learns digits 0 to 4 in {PRETRAINING_STEPS:,} steps, then digits 5 to 9 "
        f"alone in {STEPS} steps of {BATCH} examples at step size {RATE}, on the half of their training "
        "images that no gate was trained on. readout_joint, _old, _new: test accuracy of linear probes on "
        "frozen features for all ten digits, for 0 to 4, for 5 to 9, each trained on 5,000 training images "
        "of a task. ..._unseen: the same where the digits learned are 8 and 9, and the gate was trained "
        "with 5 to 7. freeze: nothing is learned. teacher: sees both tasks, the upper bound. sgd_tenth: a "
        "tenth of the step size. lwf: weight 0.1, temperature 2; ewc: weight 100. ours: the gate, trained "
        f"in {TRAINING.episodes} episodes of {TRAINING.steps} steps for this very network (an offset for "
        "each weight), its target the outputs that a teacher at half the step size gives for the student's "
        f"features, its cells reset every {HORIZON} steps; its seconds include the training of both gates. "
        "The paper's pair is MNIST to FashionMNIST (joint: SGD .868, SGD x 0.1 .850, LwF .872, EWC .869, "
        "theirs .873, teacher .880): other data, so not comparable. Settings were chosen on 10,000 training "
        "images held out."
    ),
)
CIFAR10_READOUT = Readout(
    name="cifar10-readout",
    data="CIFAR10",
    tested_one_in=5,
    rate=0.03,
    lwf_weight=1.0,
    protocol=(
        "mnist-readout with CIFAR-10 (paper 002, experiment 1, CIFAR 5A to 5B): the same small LeNet learns "
        "airplane, automobile, bird, cat and deer, then dog, frog, horse, ship and truck; ..._unseen: ship "
        "and truck, where the gate was trained with the other three. Of 20,000 training images one in five "
        "of each class is kept for the test. Step size 0.03, where the teacher is best on images held out "
        "of training (0.01: .423, 0.03: .433, 0.1: .422), and lwf's weight is 1; all else is as chosen for "
        "mnist-readout. The paper has a ResNet-32 and all images (joint: freeze .651, SGD .687, SGD x 0.1 "
        ".654, LwF .693, EWC .677, theirs .705, teacher .767): not comparable."
    ),
)
