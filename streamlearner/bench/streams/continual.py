"""A stream learned once, in its order, by several arms under several budgets, and tested at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from streamlearner.bench.kit import ordering
from streamlearner.bench.kit.experiment import Scope, Trial
from streamlearner.bench.kit.fixture import Dataset, Fixture, Settings
from streamlearner.bench.kit.results import Curve, Row, Sheet, tiled
from streamlearner.bench.streams.gate_training import gate_settings
from streamlearner.bench.streams.one_pass import Learned, learn
from streamlearner.bench.streams.pretraining import association_bits, pretrained
from streamlearner.errors import StreamlearnerError

QUICK_TESTS = 100
QUARTER = 4

MEASURES = (
    "accuracy: of the test pictures after the stream. exam_retention: mean over classes on the "
    "daemon's own exam, pictures of the stream that were withheld and never trained on (256 KiB of "
    "them at most, beside the budget; they also decide whether a sleep is adopted). forgetting: on "
    "the exam, best after any sleep less last, mean over the periods between sleeps. "
    "prequential_accuracy: over the whole stream, each batch answered before it is learned."
)
"""What the rows of a ContinualExperiment count; part of its protocol."""


@dataclass(frozen=True, slots=True)
class Arm:
    """A way to learn: dotted settings over the defaults, and those that hang on the budget.

    `paper` has the paper's accuracies by budget (0 for an arm without a memory). `budgets_bits` are the
    arm's own, where the experiment's do not apply. `shuffled`: the stream has no periods. `pretrained_on`:
    the data set that the association was fitted to before; `gate_trained_on`: that a gate was trained on.
    """

    settings: Settings
    by_budget: Mapping[int, Settings] = field(default_factory=dict)
    paper: Mapping[int, float] = field(default_factory=dict)
    uses_memory: bool = True
    budgets_bits: tuple[int, ...] | None = None
    shuffled: bool = False
    pretrained_on: str | None = None
    gate_trained_on: str | None = None


def a_quarter(examples: int, scope: Scope, *, held_out_one_in: int) -> int | None:
    """The length of a quarter of the stream, or None where the whole is asked for."""
    kept = examples - examples // held_out_one_in if scope.held_out else examples
    return kept // QUARTER if scope.portion == "quarter" else None


def trials_of(
    arms: Mapping[str, Arm], *, budget_bits: int, scope: Scope, examples: int | None
) -> Iterator[Trial]:
    """All seeds of an arm, then the next, where all that have a memory have one budget."""
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

    A period is `classes_per_period` labels, in the order of their numbers, or with None a task; shuffled
    within. `names_tasks`: each message names its task, and so does each test (task-incremental); else no
    task is named (class-incremental). A quarter of the stream has the same periods and every fourth example
    of each class; its metrics are named `..._on_quarter`. `counts_association`: the budget is for the
    association's tables too, and `stored_bits` has both. `compares_methods` measures the readout and the
    seconds of sleep beside. `newest` classes, those of the highest numbers, are also tested by themselves.
    `shows` keeps a sheet of what each arm remembers, of the first seed. `derive` makes what is learned and
    tested of the data set.
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
        """All seeds of an arm under a budget, then the next: a figure is whole as early as can be. A quick
        run has the first budget alone."""
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
        """The length of a quarter, or None for the whole stream."""
        if scope.portion == "whole":
            return None
        held_out = -(-self.examples // self.held_out_one_in) if scope.held_out else 0
        return -(-(self.examples - held_out) // QUARTER)

    def run(self, trial: Trial, *, fixture: Fixture, scope: Scope) -> Iterator[Row | Curve | Sheet]:
        arm = self.arms[trial.arm]
        training, test = self._halves(fixture, scope)
        stream = ordering.ordered(
            training,
            seed=trial.seed,
            keep_one_in=1 if trial.examples is None else QUARTER,
            classes_per_period=self.classes_per_period,
            shuffled=arm.shuffled,
        )
        settings = self.settings(trial)
        with (
            pretrained(fixture, settings, on=arm.pretrained_on, quick=scope.quick) as association,
            gate_settings(fixture, settings, on=arm.gate_trained_on, quick=scope.quick) as gate,
        ):
            settings |= association | gate
            if self.counts_association:
                settings["memory.budget_bits"] -= association_bits(
                    fixture, settings, stream, names_tasks=self.names_tasks
                )
            learned = learn(
                fixture,
                settings,
                stream,
                test,
                names_tasks=self.names_tasks,
                compares_methods=self.compares_methods,
                newest=self.newest,
            )
        if self.counts_association and learned.total_bits > trial.budget_bits:
            raise StreamlearnerError(f"{trial}: {learned.total_bits:,} bits with the association's tables")
        yield from self._rows(trial, learned, length=len(stream.labels))
        if self.shows and learned.shown and not trial.seed:
            yield Sheet(trial.arm, tiled([images for _, images in learned.shown]))
        if learned.points:
            yield Curve(trial.arm, trial.budget_bits, trial.seed, learned.points, trial.examples)

    def settings(self, trial: Trial) -> dict[str, Any]:
        """The settings of a trial over the defaults."""
        return settings_of(self.arms[trial.arm], trial)

    def _halves(self, fixture: Fixture, scope: Scope) -> tuple[Dataset, Dataset]:
        """What is learned and what is tested, before any is put in order."""
        whole = QUARTER if scope.portion == "quarter" else 1
        training = fixture.load_dataset(self.data, True, self.quick_examples * whole if scope.quick else None)
        training = self.derive(training) if self.derive else training
        if scope.held_out:
            return ordering.split_held_out(training, held_out_one_in=self.held_out_one_in)
        test = fixture.load_dataset(self.data, False, QUICK_TESTS if scope.quick else None)
        return training, self.derive(test) if self.derive else test

    def _rows(self, trial: Trial, learned: Learned, *, length: int) -> Iterator[Row]:
        suffix = "" if trial.examples is None else "_on_quarter"
        association = learned.total_bits - learned.stored_bits if self.counts_association else 0
        for metric, value in learned.measured.items():
            paper = self.arms[trial.arm].paper.get(trial.budget_bits)
            yield Row(
                arm=trial.arm,
                budget_bits=trial.budget_bits,
                stored_bits=learned.stored_bits + association,
                parameter_bits=sum(learned.parameter_bits.values()) - association,
                seed=trial.seed,
                metric=metric + suffix,
                value=value,
                paper=paper if metric == "accuracy" and not suffix else None,
                seconds=round(learned.seconds, 2),
                examples_per_s=round(length / learned.seconds, 1),
                examples=trial.examples,
            )
