"""Digits on a turntable: category, then viewpoint, then category again (paper 000, Figure 2)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from streamlearner.bench.experiments.mnist_split import RAW_BITS
from streamlearner.bench.kit import ordering
from streamlearner.bench.kit.experiment import Scope, Trial
from streamlearner.bench.kit.fixture import Dataset, Fixture
from streamlearner.bench.kit.results import Row
from streamlearner.bench.kit.summary import Summary
from streamlearner.bench.plots import factors as factor_plot
from streamlearner.bench.streams.continual import QUARTER, Arm, quarter_length, settings_of, trials_of
from streamlearner.bench.streams.factor_stream import QUICK, Phase, factor_metrics, factor_rows, learn_phases
from streamlearner.bench.streams.turntable_digits import CATEGORY, VIEWPOINT, turned

BOTH = (CATEGORY, VIEWPOINT)
EXAMPLES = 60_000
QUICK_SIZES = 600, 100


@dataclass(frozen=True, slots=True)
class Turntable:
    """The first third of the stream is labelled with the category, the next with the viewpoint, the last with
    the category again; for `multi_task` with both throughout. Arms that end in `SMALL` have a smaller
    network."""

    name: str
    protocol: str
    arms: Mapping[str, Arm]
    held_out_one_in: int = 6

    def trials(self, scope: Scope) -> Iterable[Trial]:
        part = quarter_length(EXAMPLES, scope, held_out_one_in=self.held_out_one_in)
        return trials_of(self.arms, budget_bits=10 * RAW_BITS, scope=scope, examples=part)

    def run(self, trial: Trial, *, fixture: Fixture, scope: Scope) -> Iterator[Row]:
        training, test = ordering.training_and_test(
            fixture, "MNIST", scope, quick=QUICK_SIZES, held_out_one_in=self.held_out_one_in
        )
        training, test = turned(training), turned(test)
        order = np.random.default_rng(trial.seed).permutation(len(training.labels))
        stream = training.select(order if trial.examples is None else order[::QUARTER])
        settings = settings_of(self.arms[trial.arm], trial) | (QUICK if scope.quick else {})
        phases = thirds(stream, multi_task=trial.arm.startswith("multi_task"))
        history = learn_phases(fixture, settings, phases, dict.fromkeys(BOTH, test))
        yield from factor_rows(trial, factor_metrics(history, phases), history, examples=len(stream.labels))

    def draw(self, found: Sequence[Summary], *, quick: bool, path: Path) -> None:
        """Accuracy of both factors along the stream, of the larger network."""
        found = [figure for figure in found if not figure.arm.endswith(SMALL)]
        panels = {factor: (factor, "examples learned") for factor in BOTH}
        factor_plot.draw(found, panels=panels, title=self.name, quick=quick, path=path)


def thirds(stream: Dataset, *, multi_task: bool) -> list[Phase]:
    """Three phases of equal length."""
    named = {CATEGORY: (CATEGORY,), VIEWPOINT: (VIEWPOINT,), f"{CATEGORY}_again": (CATEGORY,)}
    parts = np.array_split(np.arange(len(stream.labels)), len(named))
    return [
        Phase(name, BOTH if multi_task else factors, stream.select(part))
        for (name, factors), part in zip(named.items(), parts, strict=True)
    ]


SMALL = "_small"
SLEEPS = {"sleep.steps_per_batch": 0, "sleep.steps": 400}
METHODS = {
    "ours": Arm(settings=SLEEPS),
    "active_long_term": Arm(settings={**SLEEPS, "method.name": "active_long_term"}),
    "finetune": Arm(settings={**SLEEPS, "method.name": "finetune"}, uses_memory=False),
    "multi_task": Arm(settings={**SLEEPS, "method.name": "finetune"}, uses_memory=False),
}
SMALLER = {"network.name": "mlp_small", "method.steps": 10}

TURNTABLE = Turntable(
    name="turntable",
    protocol=(
        "Digits on a turntable (paper 000, section 4.1 and Figure 2; there toy cars of iLab-20M): MNIST's, "
        "each seen from one of eight angles, LeNet with a head for each factor, one pass of 60,000 in "
        "batches of 10. The first third of the stream is labelled with the category, the next with the "
        "viewpoint, the last with the category again; a sleep at the end of each, in which the stream "
        "waits. x_after_y: accuracy on the 10,000 test images, turned likewise, after the third labelled "
        "with y and its sleep; x_awake_y: before that sleep; x_of_neocortex: of the long-term network alone "
        "at the end. finetune: one network, plain SGD. multi_task: finetune with both factors as labels "
        "throughout. ours and active_long_term: codes in the bits of 10 raw images. The paper (other data): "
        "category to viewpoint leaves .12 of the category (.81 alone), viewpoint to category .02 of the "
        "viewpoint (.94). Chance is .10 and .125. Arms ending in _small: two hidden layers of 48 instead, "
        "ten steps a batch. Settings were chosen on 10,000 training images held out."
    ),
    arms=METHODS
    | {f"{name}{SMALL}": replace(arm, settings={**arm.settings, **SMALLER}) for name, arm in METHODS.items()},
)
