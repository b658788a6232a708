"""Digits on a turntable, then natural images: what is kept of the first (paper 000, section 4.2, Table 1)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from streamlearner.bench.kit import ordering
from streamlearner.bench.kit.experiment import Scope, Trial
from streamlearner.bench.kit.fixture import Dataset, Fixture
from streamlearner.bench.kit.results import Row
from streamlearner.bench.kit.summary import Summary
from streamlearner.bench.plots import factors as factor_plot
from streamlearner.bench.streams.continual import QUARTER, Arm, quarter_length, settings_of, trials_of
from streamlearner.bench.streams.factor_stream import (
    QUICK,
    FactorHistory,
    Phase,
    factor_metrics,
    factor_rows,
    learn_phases,
)
from streamlearner.bench.streams.turntable_digits import CATEGORY, VIEWPOINT, in_colour, turned

SIDE = 32
RAW_BITS = 8 * 3 * SIDE * SIDE
CONTROLLED, WILD = "controlled", "wild"
FACTORS = (CATEGORY, VIEWPOINT, WILD)
EXAMPLES = 60_000 + 50_000
BUDGET_BITS = 50 * RAW_BITS
QUICK_SIZES = 300, 100
SETTINGS = {
    "network.name": "lenet",
    "sleep.steps_per_batch": 0,
    "sleep.steps": 50,
    "sleep.learning_rate": 0.002,
    "exam.budget_bits": 2**24,
}
"""Short sleeps with small steps: after 400 steps from 0.05, or from 0.005, `wild` falls by more than the exam
tolerates."""
ACTIVE = {
    **SETTINGS,
    "method.name": "active_long_term",
    "method.active_long_term.distillation_weight": 0.02,
}
"""With the paper's weight 0.1 `wild` reaches 0.03 here, with 0.02 0.18 (held out)."""


@dataclass(frozen=True, slots=True)
class ControlledToWild:
    """Two phases: digits on a turntable, labelled with both factors, then CIFAR-100. `wild_alone` has the
    second phase only; `multi_domain` has the first mixed into the second."""

    name: str
    protocol: str
    arms: Mapping[str, Arm]
    held_out_one_in: int = 5

    def trials(self, scope: Scope) -> Iterable[Trial]:
        part = quarter_length(EXAMPLES, scope, held_out_one_in=self.held_out_one_in)
        return trials_of(self.arms, budget_bits=BUDGET_BITS, scope=scope, examples=part)

    def run(self, trial: Trial, *, fixture: Fixture, scope: Scope) -> Iterator[Row]:
        (digits, digit_tests), (wild, wild_tests) = both_datasets(
            fixture, scope, held_out_one_in=self.held_out_one_in
        )
        rng = np.random.default_rng(trial.seed)
        every = 1 if trial.examples is None else QUARTER
        digits = digits.select(rng.permutation(len(digits.labels))[::every])
        wild = wild.select(rng.permutation(len(wild.labels))[::every])
        phases = [
            Phase(CONTROLLED, (CATEGORY, VIEWPOINT), digits),
            Phase(WILD, FACTORS, mixed(wild, digits, rng) if trial.arm == "multi_domain" else wild),
        ][1 if trial.arm == "wild_alone" else 0 :]
        settings = settings_of(self.arms[trial.arm], trial) | (QUICK if scope.quick else {})
        tests = {CATEGORY: digit_tests, VIEWPOINT: digit_tests, WILD: wild_tests}
        history = learn_phases(fixture, settings, phases, tests if len(phases) > 1 else {WILD: wild_tests})
        examples = sum(len(phase.dataset.labels) for phase in phases)
        yield from factor_rows(trial, kept_metrics(history, phases), history, examples=examples)

    def draw(self, found: Sequence[Summary], *, quick: bool, path: Path) -> None:
        """Accuracy of each factor along the stream."""
        panels = {factor: (factor, "examples learned") for factor in FACTORS}
        factor_plot.draw(found, panels=panels, title=self.name, quick=quick, path=path)


def kept_metrics(history: FactorHistory, phases: Sequence[Phase]) -> dict[str, float]:
    """All metrics; `_kept`: the accuracy of the first phase's factors as a fraction of what it was after that
    phase."""
    measured = factor_metrics(history, phases)
    for factor in (CATEGORY, VIEWPOINT):
        known = measured.get(f"{factor}_after_{CONTROLLED}")
        if known:
            measured[f"{factor}_kept_awake"] = measured[f"{factor}_awake_{WILD}"] / known
            measured[f"{factor}_kept"] = measured[f"{factor}_after_{WILD}"] / known
            if history.neocortex:
                measured[f"{factor}_kept_by_neocortex"] = history.neocortex[factor] / known
    return measured


def both_datasets(
    fixture: Fixture, scope: Scope, *, held_out_one_in: int
) -> tuple[tuple[Dataset, Dataset], tuple[Dataset, Dataset]]:
    """(training, test) of the digits and of CIFAR-100, images [n, 32, 32, 3]."""
    digits, wild = (
        ordering.training_and_test(fixture, data, scope, quick=QUICK_SIZES, held_out_one_in=held_out_one_in)
        for data in ("MNIST", "CIFAR100")
    )
    return (controlled(digits[0]), controlled(digits[1])), (named_wild(wild[0]), named_wild(wild[1]))


def controlled(digits: Dataset) -> Dataset:
    return in_colour(turned(digits), side=SIDE)


def named_wild(dataset: Dataset) -> Dataset:
    labels: list[Any] = [{WILD: label} for label in dataset.labels]
    return Dataset(dataset.images, labels)


def mixed(one: Dataset, other: Dataset, rng: np.random.Generator) -> Dataset:
    both = Dataset(np.concatenate([one.images, other.images]), [*one.labels, *other.labels])
    return both.select(rng.permutation(len(both.labels)))


CONTROLLED_TO_WILD = ControlledToWild(
    name="controlled-to-wild",
    protocol=(
        "From a controlled world into the wild (paper 000, section 4.2 and Table 1; there iLab-20M and "
        "ImageNet): MNIST's 60,000 digits on a turntable of eight angles, labelled with category and "
        "viewpoint, in 32 x 32 and colour; then the 50,000 training images of CIFAR-100, labelled with its "
        "fine class as the factor `wild`. LeNet with a head for each factor, one pass in batches of 10, a "
        "sleep at the end of each part, in which the stream waits. Tested on the 10,000 test images of "
        "each. x_after_y: factor x after the part y and its sleep; x_awake_y: before that sleep; "
        "x_of_neocortex: of the long-term network alone; x_kept...: accuracy of factor x at the end over "
        "that after the controlled part. finetune: one network, plain SGD. wild_alone: finetune without the "
        "controlled part. multi_domain: finetune with the digits again, mixed into the wild part. "
        "active_long_term and ours: codes in the bits of 50 raw images; active_long_term_naive: nothing "
        "replayed between sleeps; both with weight 0.02 where the paper has 0.1, at which `wild` is hardly "
        "learned. The exam that a sleep must pass withholds 680 images. The paper (other data): viewpoint "
        ".84 in the multi-domain network, .03 after plain SGD, .57 naive, .90 with replay; ImageNet .44 "
        "alone, .40 naive, .41 with replay. Settings were chosen on a fifth of the training images, held "
        "out."
    ),
    arms={
        "active_long_term": Arm(settings=ACTIVE),
        "active_long_term_naive": Arm(settings={**ACTIVE, "method.active_long_term.inputs": "naive"}),
        "ours": Arm(settings=SETTINGS),
        "finetune": Arm(settings={**SETTINGS, "method.name": "finetune"}, uses_memory=False),
        "wild_alone": Arm(settings={**SETTINGS, "method.name": "finetune"}, uses_memory=False),
        "multi_domain": Arm(settings={**SETTINGS, "method.name": "finetune"}, uses_memory=False),
    },
)
