"""What each choice of the default method is worth on incremental CIFAR-100, in accuracy and in speed."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from streamlearner.bench.experiments.cifar100_incremental import CIFAR100_INCREMENTAL, NETWORK, OURS, TEN
from streamlearner.bench.kit import ordering
from streamlearner.bench.kit.experiment import Scope, Trial
from streamlearner.bench.kit.fixture import Dataset, Fixture, Settings
from streamlearner.bench.kit.results import Curve, Row, Sheet
from streamlearner.bench.kit.summary import Summary
from streamlearner.bench.peers.turns import TurnSource, run_turn, seconds_of
from streamlearner.bench.plots import choices as choice_plot
from streamlearner.bench.streams.continual import QUARTER, Arm

TURNS, TURN_EXAMPLES = 5, 200
"""Examples of a turn when speed is measured; the first turn warms up and is not counted."""
ACCURACY, SPEED = "accuracy_on_quarter", "ratio_to_finetune"

CHOICES: dict[str, dict[str, Any]] = {
    "ours": {},
    "one_step": {"method.steps": 1},
    "one_step_ten_recollections": {"method.steps": 1, "method.recollections_per_step": 10},
    "three_steps": {"method.steps": 3},
    "ten_recollections": {"method.recollections_per_step": 10},
    "active_sampling": {"method.candidates": 3},
    "teacher_targets": {"method.targets": "teacher"},
    "no_distillation": {"method.distillation": 0.0},
    "plain_reservoir": {"memory.sampling": "reservoir"},
    "transform_codes": {"association.name": "transform"},
    "live_weights": {"method.ema_decay": 0.0, "method.distillation": 0.0},
    "no_augmentation": {"method.shift_pixels": 0, "method.flip": False},
    "sleep": {
        "sleep.first_examples": None,
        "sleep.every_examples": 2_500,
        "sleep.steps": 100,
        "sleep.batch_size": 32,
    },
}
"""What each arm changes in `ours`."""


@dataclass(frozen=True, slots=True)
class Choices:
    """For each arm a quarter of the stream at the bits of 10 raw images, and its speed beside finetune's."""

    name: str = "cifar100-choices"
    protocol: str = (
        "Task-incremental CIFAR-100 as in cifar100-incremental, a quarter of the stream (12,500 images), at "
        "the bits of 10 raw images. `ours` is the arm of that name there; every other arm changes what its "
        "name says: three candidates for each recollection (active sampling), predictions of the averaged "
        "weights instead of stored labels as targets, a reservoir that is not balanced by class, plain "
        "transform codes, no averaging of weights and no distillation, a sleep of 100 steps of 32 codes "
        "after every 2,500 examples. The paper's freezing of the decoder would change nothing here: the "
        "recollections that a batch is learned with are decoded before any association learns from that "
        "batch. ratio_to_finetune: examples/s of the daemon over those of one that runs finetune with the "
        "same network, in turns of 200 examples in one run, median of four."
    )

    def trials(self, scope: Scope) -> Iterable[Trial]:
        part = CIFAR100_INCREMENTAL.examples // QUARTER
        return [Trial(arm, TEN, seed, part) for arm in CHOICES for seed in range(scope.seeds)]

    def run(self, trial: Trial, *, fixture: Fixture, scope: Scope) -> Iterator[Row | Curve | Sheet]:
        arms = {trial.arm: Arm(settings={**OURS, **CHOICES[trial.arm]})}
        learned = replace(CIFAR100_INCREMENTAL, arms=arms)
        rows = list(learned.run(trial, fixture=fixture, scope=replace(scope, portion="quarter")))
        yield from rows
        settings = {**learned.settings(trial), "sleep.every_examples": None}
        yield self._speed(trial, settings, fixture, scope)

    def _speed(self, trial: Trial, settings: Settings, fixture: Fixture, scope: Scope) -> Row:
        turn_examples = 20 if scope.quick else TURN_EXAMPLES
        training = fixture.load_dataset(CIFAR100_INCREMENTAL.data, True, TURNS * turn_examples)
        stream = ordering.ordered(
            training, seed=trial.seed, keep_one_in=1, classes_per_period=None, shuffled=False
        )
        started = time.perf_counter()
        ratios, speed = speed_ratios(settings, fixture, stream, turn_examples=len(stream.labels) // TURNS)
        return Row(
            arm=trial.arm,
            budget_bits=trial.budget_bits,
            stored_bits=0,
            parameter_bits=0,
            seed=trial.seed,
            metric=SPEED,
            value=statistics.median(ratios[1:]),
            paper=None,
            seconds=round(time.perf_counter() - started, 2),
            examples_per_s=round(speed, 1),
            examples=trial.examples,
        )

    def draw(self, found: Sequence[Summary], *, quick: bool, path: Path) -> None:
        """Accuracy against speed, a point for each arm."""
        choice_plot.draw(found, accuracy=ACCURACY, speed=SPEED, title=self.name, quick=quick, path=path)


def speed_ratios(
    settings: Settings, fixture: Fixture, stream: Dataset, *, turn_examples: int
) -> tuple[list[float], float]:
    """A daemon with these settings and one that runs finetune learn in turns: the ratio of their examples/s
    in each turn, and the first one's median examples/s."""
    finetune = {**NETWORK, "method.name": "finetune", "sleep.every_examples": None, "seed": settings["seed"]}
    messages = fixture.messages(stream, tasks=stream.tasks)
    with fixture.daemon(settings, messages) as ours, fixture.daemon(finetune, messages) as bare:
        turns = []
        for daemon in (ours, bare):
            source = TurnSource(daemon.state.source)
            daemon.state.intake.source = source
            daemon.serving.start()
            source.open(None)
            turns.append((daemon, source))
        speeds: list[list[float]] = []
        for _ in range(TURNS):
            speeds.append([turn_speed(daemon, source, turn_examples) for daemon, source in turns])
        for daemon, _ in turns:
            daemon.close()
    ratios = [own / other for own, other in speeds]
    return ratios, statistics.median(own for own, _ in speeds[1:])


def turn_speed(daemon: Any, source: TurnSource, turn_examples: int) -> float:
    """Examples/s of one turn."""
    source.left = turn_examples
    return turn_examples / seconds_of(partial(run_turn, daemon, source))


CIFAR100_CHOICES = Choices()
