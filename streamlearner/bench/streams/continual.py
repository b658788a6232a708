"""The usual experiment: one pass over a stream by several arms under several budgets, tested after it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from streamlearner.bench.kit import ordering
from streamlearner.bench.kit.experiment import Scope, Trial
from streamlearner.bench.kit.fixture import Dataset, Fixture, Settings
from streamlearner.bench.kit.results import Curve, Row, Sheet, tiled
from streamlearner.bench.streams.gate_training import gate_settings
from streamlearner.bench.streams.one_pass import StreamOutcome, learn_stream
from streamlearner.bench.streams.pretraining import association_bits, pretrained_association
from streamlearner.errors import StreamlearnerError

QUICK_TESTS = 100
QUARTER = 4

MEASURES = (
    "accuracy: on the test images after the stream. exam_retention: mean over classes on the daemon's own "
    "exam, images of the stream that are withheld and never trained on (256 KiB at most, not counted in the "
    "budget; they also decide whether a sleep is adopted). forgetting: on the exam, the best after any "
    "sleep minus the last, mean over the periods between sleeps. prequential_accuracy: over the whole "
    "stream, each batch predicted before it is learned."
)
"""What the metrics of a ContinualExperiment mean; part of its protocol."""


@dataclass(frozen=True, slots=True)
class Arm:
    """One way to learn: dotted settings over the defaults, and those that depend on the budget.

    `paper` has the paper's accuracies by budget (0 for an arm without a memory). `budgets_bits`: the arm's
    own, in place of the experiment's. `shuffled`: its stream has no periods. `pretrained_on`: the data set
    that its association is fitted to before the stream; `gate_trained_on`: the one that its gate is trained
    on.
    """

    settings: Settings
    by_budget: Mapping[int, Settings] = field(default_factory=dict)
    paper: Mapping[int, float] = field(default_factory=dict)
    uses_memory: bool = True
    budgets_bits: tuple[int, ...] | None = None
    shuffled: bool = False
    pretrained_on: str | None = None
    gate_trained_on: str | None = None


def quarter_length(examples: int, scope: Scope, *, held_out_one_in: int) -> int | None:
    """The length of a quarter of a stream of `examples`, or None where the scope asks for all of it."""
    kept = examples - examples // held_out_one_in if scope.held_out else examples
    return kept // QUARTER if scope.portion == "quarter" else None


def trials_of(
    arms: Mapping[str, Arm], *, budget_bits: int, scope: Scope, examples: int | None
) -> Iterator[Trial]:
    """All seeds of an arm, then the next; every arm that has a memory has the same budget."""
    for name, arm in arms.items():
        for seed in range(scope.seeds):
            yield Trial(name, budget_bits if arm.uses_memory else 0, seed, examples)


def settings_of(arm: Arm, trial: Trial) -> dict[str, Any]:
    """The settings of a trial over the defaults."""
    settings = {**arm.settings, **arm.by_budget.get(trial.budget_bits, {}), "seed": trial.seed}
    return settings | ({"memory.budget_bits": trial.budget_bits} if arm.uses_memory else {})


@dataclass(frozen=True, slots=True)
class ContinualExperiment:
    """One pass over `data`, whose training half has `examples`.

    A period is `classes_per_period` classes in the order of their numbers, or with None one task; examples
    are shuffled within it. A quarter of the stream has the same periods and every fourth example of each
    class; its metrics end in `_on_quarter`.

    - `names_tasks`: stream and test name the task (task-incremental); else neither does (class-incremental).
    - `counts_association`: the budget covers the association's tables too, and `stored_bits` counts both.
    - `compares_methods`: the readout and the seconds of sleep are measured as well.
    - `newest`: so many classes, those of the highest numbers, are also tested by themselves.
    - `shows`: a sheet of what each arm's memory decodes is kept, of the first seed.
    - `derive`: makes the data set that is learned, or tested, of the one that is read.
    """

    name: str
    protocol: str
    data: str
    examples: int
    classes_per_period: int | None
    budgets_bits: tuple[int, ...]
    arms: Mapping[str, Arm]
    names_tasks: bool = False
    counts_association: bool = False
    compares_methods: bool = False
    newest: int = 0
    shows: bool = False
    derive: Callable[[Dataset], Dataset] | None = None
    held_out_one_in: int = 5
    quick_examples: int = 2_000

    def trials(self, scope: Scope) -> Iterable[Trial]:
        """All seeds of an arm under a budget, then the next, so that a mean is complete as early as possible.
        A quick run has the first budget alone."""
        for arm, about in self.arms.items():
            for budget in self._budgets(about, scope):
                for seed in range(scope.seeds):
                    yield Trial(arm=arm, budget_bits=budget, seed=seed, examples=self._part(scope))

    def _budgets(self, arm: Arm, scope: Scope) -> Iterable[int]:
        if not arm.uses_memory:
            return (0,)
        if arm.budgets_bits is None:
            return scope.budgets_bits or self.budgets_bits[: 1 if scope.quick else None]
        wanted = scope.budgets_bits
        return [budget for budget in arm.budgets_bits if wanted is None or budget in wanted]

    def _part(self, scope: Scope) -> int | None:
        """The length of a quarter as `ordering` draws it, or None for the whole stream."""
        if scope.portion == "whole":
            return None
        held_out = -(-self.examples // self.held_out_one_in) if scope.held_out else 0
        return -(-(self.examples - held_out) // QUARTER)

    def run(self, trial: Trial, *, fixture: Fixture, scope: Scope) -> Iterator[Row | Curve | Sheet]:
        outcome, length = self._learn(trial, fixture, scope)
        if self.counts_association and outcome.total_bits > trial.budget_bits:
            raise StreamlearnerError(
                f"{trial}: {outcome.total_bits:,} bits of codes and the association's tables, over the budget"
            )
        yield from self._rows(trial, outcome, length=length)
        if self.shows and outcome.shown and not trial.seed:
            yield Sheet(trial.arm, tiled([images for _, images in outcome.shown]))
        if outcome.points:
            yield Curve(trial.arm, trial.budget_bits, trial.seed, outcome.points, trial.examples)

    def _learn(self, trial: Trial, fixture: Fixture, scope: Scope) -> tuple[StreamOutcome, int]:
        """What the trial's daemon came to, and the length of its stream."""
        arm = self.arms[trial.arm]
        training, test = self._training_and_test(fixture, scope)
        stream = ordering.ordered(
            training,
            seed=trial.seed,
            keep_one_in=1 if trial.examples is None else QUARTER,
            classes_per_period=self.classes_per_period,
            shuffled=arm.shuffled,
        )
        settings = self.settings(trial)
        with (
            pretrained_association(fixture, settings, on=arm.pretrained_on, quick=scope.quick) as association,
            gate_settings(fixture, settings, on=arm.gate_trained_on, quick=scope.quick) as gate,
        ):
            settings |= association | gate
            if self.counts_association:
                settings["memory.budget_bits"] -= association_bits(
                    fixture, settings, stream, names_tasks=self.names_tasks
                )
            outcome = learn_stream(
                fixture,
                settings,
                stream,
                test,
                names_tasks=self.names_tasks,
                compares_methods=self.compares_methods,
                newest=self.newest,
            )
        return outcome, len(stream.labels)

    def settings(self, trial: Trial) -> dict[str, Any]:
        """The settings of a trial over the defaults."""
        return settings_of(self.arms[trial.arm], trial)

    def _training_and_test(self, fixture: Fixture, scope: Scope) -> tuple[Dataset, Dataset]:
        """Before they are put in order."""
        whole = QUARTER if scope.portion == "quarter" else 1
        training = fixture.load_dataset(self.data, True, self.quick_examples * whole if scope.quick else None)
        training = self.derive(training) if self.derive else training
        if scope.held_out:
            return ordering.split_held_out(training, held_out_one_in=self.held_out_one_in)
        test = fixture.load_dataset(self.data, False, QUICK_TESTS if scope.quick else None)
        return training, self.derive(test) if self.derive else test

    def _rows(self, trial: Trial, outcome: StreamOutcome, *, length: int) -> Iterator[Row]:
        suffix = "" if trial.examples is None else "_on_quarter"
        association = outcome.total_bits - outcome.stored_bits if self.counts_association else 0
        for metric, value in outcome.measured.items():
            paper = self.arms[trial.arm].paper.get(trial.budget_bits)
            yield Row(
                arm=trial.arm,
                budget_bits=trial.budget_bits,
                stored_bits=outcome.stored_bits + association,
                parameter_bits=sum(outcome.parameter_bits.values()) - association,
                seed=trial.seed,
                metric=metric + suffix,
                value=value,
                paper=paper if metric == "accuracy" and not suffix else None,
                seconds=round(outcome.seconds, 2),
                examples_per_s=round(length / outcome.seconds, 1),
                examples=trial.examples,
            )
