"""Learners that see other classes each: one consolidated model against one learner, and averaged weights."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from streamlearner.bench.experiments.mnist_split import RAW_BITS
from streamlearner.bench.kit import ordering
from streamlearner.bench.kit.experiment import Scope, Trial, trial_rows
from streamlearner.bench.kit.fixture import Dataset, Fixture
from streamlearner.bench.kit.results import Row
from streamlearner.bench.material.shards import (
    accuracy,
    averaged,
    batches,
    by_class,
    network_accuracy,
    rounds_of,
    slept,
)
from streamlearner.bench.streams.continual import QUARTER, quarter_length
from streamlearner.learning.learner import Learner
from streamlearner.learning.merging import continue_from, draw_apart, merge

LEARNERS, ROUNDS = 4, 5
EXAMPLES = 60_000
QUICK_SIZES = 600, 100
SETTINGS: Mapping[str, Any] = {"memory.sampling": "balanced", "sleep.steps": 300}
QUICK: Mapping[str, Any] = {"sleep.steps": 20}


@dataclass(frozen=True, slots=True)
class ClusterExperiment:
    """Each of four learners sees classes of its own, class after class; each fifth of the stream ends with a
    sleep, of one learner, or of the consolidator that merged the memories of all."""

    name: str
    protocol: str
    budgets_bits: tuple[int, ...]
    held_out_one_in: int = 6

    def trials(self, scope: Scope) -> Iterable[Trial]:
        part = quarter_length(EXAMPLES, scope, held_out_one_in=self.held_out_one_in)
        for arm in ARMS:
            for budget in scope.budgets_bits or self.budgets_bits:
                for seed in range(scope.seeds):
                    yield Trial(arm, budget, seed, part)

    def run(self, trial: Trial, *, fixture: Fixture, scope: Scope) -> Iterator[Row]:
        training, test = ordering.training_and_test(
            fixture, "MNIST", scope, quick=QUICK_SIZES, held_out_one_in=self.held_out_one_in
        )
        stream = ordering.ordered(
            training,
            seed=trial.seed,
            keep_one_in=1 if trial.examples is None else QUARTER,
            classes_per_period=1,
            shuffled=False,
        )
        began_s, arm = time.perf_counter(), ARMS[trial.arm]
        settings = {**SETTINGS, **(QUICK if scope.quick else {}), "seed": trial.seed}
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
        states = [learner.method.hippocampus.average.state_dict() for learner in learners]  # type: ignore[union-attr]
        mean = averaged(states, [float(learner.progress.learned) for learner in learners])
        for learner in learners:
            learner.method.revert(mean)
    return learners[0]


def _learners(
    fixture: Fixture, settings: Mapping[str, Any], stream: Dataset
) -> tuple[list[Learner], list[list[Dataset]]]:
    """With what each sees in each round."""
    learners = [fixture.build_learner(settings, stream) for _ in range(LEARNERS)]
    for number, learner in enumerate(learners):
        draw_apart(learner, number=number)
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

CLUSTER = ClusterExperiment(
    name="cluster",
    protocol=(
        "Split-MNIST, one digit after the other, one pass in batches of 10; tested on 10,000 test images. "
        "Four learners see digits of their own (0-2, 3-5, 6-7, 8-9). ours: each has a quarter of the budget; "
        "after each fifth of its stream one consolidator merges their memories exactly within the whole "
        "budget and teaches the network of its last version from codes alone, in a sleep of 300 steps. "
        "whole_budget_each: each learner has the whole budget, and so has the merged memory. alone: one "
        "learner of the whole budget sees all digits in class order, with the same five sleeps. "
        "federated_averaging: the learners of ours, whose weights are averaged and given back at those five "
        "times, in place of sleeps. accuracy: of who answers; accuracy_of_network: of the averaged network."
    ),
    budgets_bits=(50 * RAW_BITS,),
)
