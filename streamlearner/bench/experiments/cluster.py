"""Learners that see other classes each: one consolidated model against one learner, and averaged weights."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from streamlearner.bench.experiments.mnist_split import RAW_BITS
from streamlearner.bench.kit import ordering
from streamlearner.bench.kit.experiment import Scope, Trial, trial_rows
from streamlearner.bench.kit.fixture import Dataset, Fixture, Settings
from streamlearner.bench.kit.results import Row
from streamlearner.bench.material.seen_features import seen
from streamlearner.bench.material.shards import (
    OneScale,
    accuracy,
    averaged,
    batches,
    by_class,
    network_accuracy,
    rounds_of,
    slept,
    states_alike,
)
from streamlearner.bench.streams.continual import QUARTER, quarter_length
from streamlearner.learning.learner import Learner
from streamlearner.learning.merging import continue_from, draw_apart, merge, share_scale

LEARNERS, ROUNDS = 4, 5
QUICK_SIZES = 600, 100
SETTINGS: Settings = {"memory.sampling": "balanced", "sleep.steps": 300, "precision": "fp32"}
QUICK: Settings = {"sleep.steps": 20}
EYE: dict[str, Any] = {"eye.name": "efficientnet_lite0", "eye.input_size": 96}
Halves = tuple[Dataset, Dataset]


@dataclass(frozen=True, slots=True)
class ClusterExperiment:
    """Each of four learners sees classes of its own, class after class; each fifth of the stream ends with a
    sleep, of one learner, or of the consolidator that merged the memories of all. `halves` has the training
    and the test examples; `examples` is how many there are to learn from."""

    name: str
    protocol: str
    budgets_bits: tuple[int, ...]
    halves: Callable[[Fixture, Scope, int], Halves]
    examples: int = 60_000
    settings: Settings = field(default_factory=dict)
    held_out_one_in: int = 6

    def trials(self, scope: Scope) -> Iterable[Trial]:
        part = quarter_length(self.examples, scope, held_out_one_in=self.held_out_one_in)
        for arm in ARMS:
            for budget in scope.budgets_bits or self.budgets_bits:
                for seed in range(scope.seeds):
                    yield Trial(arm, budget, seed, part)

    def run(self, trial: Trial, *, fixture: Fixture, scope: Scope) -> Iterator[Row]:
        training, test = self.halves(fixture, scope, self.held_out_one_in)
        stream = ordering.ordered(
            training,
            seed=trial.seed,
            keep_one_in=1 if trial.examples is None else QUARTER,
            classes_per_period=1,
            shuffled=False,
        )
        began_s, arm = time.perf_counter(), ARMS[trial.arm]
        settings = {**SETTINGS, **self.settings, **(QUICK if scope.quick else {}), "seed": trial.seed}
        learner = arm(fixture, settings | {"memory.budget_bits": trial.budget_bits}, stream)
        measured = {"accuracy_of_network": network_accuracy(learner, test)}
        if arm is not federated_averaging:  # there is no one memory that could answer for all
            measured["accuracy"] = accuracy(learner, test)
        yield from trial_rows(
            trial,
            measured,
            parameter_bits=sum(learner.method.parameter_bits().values()),
            stored_bits=sum(learner.method.stored_bits().values()),
            seconds=time.perf_counter() - began_s,
            examples=len(stream.labels),
        )


def digits(fixture: Fixture, scope: Scope, held_out_one_in: int) -> Halves:
    return ordering.training_and_test(
        fixture, "MNIST", scope, quick=QUICK_SIZES, held_out_one_in=held_out_one_in
    )


def features(fixture: Fixture, scope: Scope, held_out_one_in: int) -> Halves:
    """Of CIFAR-100, by a pretrained network; made once."""
    most = QUICK_SIZES if scope.quick else (None, None)
    eye = EYE | {"device": scope.device}
    training = seen(fixture, eye, data="CIFAR100", train=True, most=most[0])
    if scope.held_out:
        return ordering.split_held_out(training, held_out_one_in=held_out_one_in)
    return training, seen(fixture, eye, data="CIFAR100", train=False, most=most[1])


def consolidated(fixture: Fixture, settings: Mapping[str, Any], stream: Dataset) -> Learner:
    """The learners have a quarter of the budget each, the consolidator's merged memory all of it."""
    return _consolidated(fixture, settings, stream, share=LEARNERS)


def consolidated_whole(fixture: Fixture, settings: Mapping[str, Any], stream: Dataset) -> Learner:
    """Each learner has the whole budget, and so has the merged memory."""
    return _consolidated(fixture, settings, stream, share=1)


def _consolidated(fixture: Fixture, settings: Mapping[str, Any], stream: Dataset, *, share: int) -> Learner:
    own = dict(settings) | {"memory.budget_bits": settings["memory.budget_bits"] // share}
    learners, parts = _learners(fixture, own, stream)
    whole: Learner | None = None
    for number in range(ROUNDS):
        for learner, part in zip(learners, parts, strict=True):
            _learn(learner, part[number])
        before, whole = whole, fixture.build_learner(settings, stream)
        if before is not None:
            continue_from(whole, before)
        merge(whole, learners, generator=torch.Generator().manual_seed(number))
        slept(whole)
    assert whole is not None
    return whole


def alone(fixture: Fixture, settings: Mapping[str, Any], stream: Dataset) -> Learner:
    """One learner sees the whole stream, class after class."""
    learner: Learner = fixture.build_learner(settings, stream)
    for part in rounds_of(stream, ROUNDS):
        _learn(learner, part)
        slept(learner)
    return learner


def federated_averaging(fixture: Fixture, settings: Mapping[str, Any], stream: Dataset) -> Learner:
    """The same learners, whose weights are averaged by the number of examples, and given back to all, in
    place of each sleep. They agree on all classes before."""
    own = dict(settings) | {"memory.budget_bits": settings["memory.budget_bits"] // LEARNERS}
    learners, parts = _learners(fixture, own, stream)
    for learner in learners:
        for label in sorted(set(stream.labels)):
            learner.labels.index(label)
    for number in range(ROUNDS):
        for learner, part in zip(learners, parts, strict=True):
            _learn(learner, part[number])
        states = states_alike([learner.method.hippocampus.average for learner in learners])  # type: ignore[misc]
        mean = averaged(states, [float(learner.progress.learned) for learner in learners])
        for learner in learners:
            learner.method.revert(mean)
    return learners[0]


def _learners(
    fixture: Fixture, settings: Mapping[str, Any], stream: Dataset
) -> tuple[list[Learner], list[list[Dataset]]]:
    """With what each sees in each round."""
    learners, scale = [fixture.build_learner(settings, stream) for _ in range(LEARNERS)], OneScale()
    for number, learner in enumerate(learners):
        draw_apart(learner, number=number)
        share_scale(learner, scale)
    return learners, [rounds_of(part, ROUNDS) for part in by_class(stream, LEARNERS)]


def _learn(learner: Learner, part: Dataset) -> None:
    for batch in batches(part):
        learner.learn(batch)


ARMS = {
    "ours": consolidated,
    "whole_budget_each": consolidated_whole,
    "alone": alone,
    "federated_averaging": federated_averaging,
}

ARMS_TOLD = (
    "ours: each has a quarter of the budget; after each fifth of its stream one consolidator merges their "
    "memories exactly within the whole budget and teaches the network of its last version from codes alone, "
    "in a sleep of 300 steps. whole_budget_each: each learner has the whole budget, and so has the merged "
    "memory. alone: one learner of the whole budget sees all {classes} in class order, with the same five "
    "sleeps. federated_averaging: the learners of ours, whose weights are averaged and given back at those "
    "five times, in place of sleeps. accuracy: of who answers; accuracy_of_network: of the averaged network."
)

CLUSTER = ClusterExperiment(
    name="cluster",
    protocol=(
        "Split-MNIST, one digit after the other, one pass in batches of 10; tested on 10,000 test images. "
        "Four learners see digits of their own (0-2, 3-5, 6-7, 8-9). "
    )
    + ARMS_TOLD.format(classes="digits"),
    budgets_bits=(50 * RAW_BITS,),
    halves=digits,
)

CLUSTER_FEATURES = ClusterExperiment(
    name="cluster-features",
    protocol=(
        "Features of CIFAR-100 by EfficientNet-lite0 (ImageNet weights, frozen: transfer) at 96 pixels, one "
        "class after the other, one pass in batches of 10; tested on 10,000 test images. Four learners see "
        "25 classes each of their own. The budget holds codes and statistics, not the eye. "
    )
    + ARMS_TOLD.format(classes="classes"),
    budgets_bits=(8 * 2**20,),
    halves=features,
    examples=50_000,
    settings={"eye.ordered": True},
    held_out_one_in=5,
)
