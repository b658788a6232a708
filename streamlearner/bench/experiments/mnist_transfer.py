"""Transfer of function on MNIST: students taught from recollections only (paper 003, Tables 1 and 2)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from streamlearner.bench.kit.experiment import Scope, Trial
from streamlearner.bench.kit.fixture import Fixture
from streamlearner.bench.kit.results import Row
from streamlearner.bench.kit.summary import Summary
from streamlearner.bench.material import transfer_tables
from streamlearner.bench.material.transfer import (
    CLASSES,
    HELD_OUT_ONE_IN,
    SHAPE,
    SgdSettings,
    TransferSetup,
    draw_from,
    initialised,
    small_lenet,
    train,
    transfer_setup,
)
from streamlearner.bench.material.transfer_memory import (
    AssociationMaker,
    Recollected,
    deep_association,
    fitted_association,
    probabilities,
    raw_association,
    recollect,
)
from streamlearner.bench.plots import transfer as transfer_plot
from streamlearner.networks.base import Network
from streamlearner.networks.by_name import mlp

ORIGINALS_BITS = 50_000 * 8 * 28 * 28
"""Bits of the paper's buffer before compression: as many raw images as remain of MNIST's training set when
one in six is held out."""
CANDIDATES = {"random": 1, "active": 10}
"""From how many random recollections the student learns the one with the largest loss; the paper's
figures."""
QUICK_EPISODES, LONGEST_OF_LATER_SEEDS = 200, 10_000

STUDENTS: Mapping[str, Callable[[], Network]] = {
    "cnn": small_lenet,
    "mlp": lambda: mlp(input_shape=SHAPE, hidden=(300, 300)),
}
SGD_SETTINGS: Mapping[int, SgdSettings] = {
    10: SgdSettings(batch_size=1, learning_rate=0.1),
    100: SgdSettings(batch_size=1, learning_rate=0.1),
    1_000: SgdSettings(batch_size=1, learning_rate=0.1),
    10_000: SgdSettings(batch_size=10, learning_rate=0.2),
    100_000: SgdSettings(batch_size=20, learning_rate=0.2),
}
"""By the number of episodes, the same for all arms."""


@dataclass(frozen=True, slots=True)
class TeachingArm:
    """What students are taught from: by compression (1: none), the association that stores the images;
    `column`: the kind of column of the paper's tables to compare with."""

    associations: Mapping[int, AssociationMaker]
    column: str


ARMS: Mapping[str, TeachingArm] = {
    "ours": TeachingArm(
        {
            10: fitted_association(code_bits=500, thumbnail_pixels=0, most_symbol_bits=5),
            50: fitted_association(code_bits=120, thumbnail_pixels=2, most_symbol_bits=1),
            100: fitted_association(code_bits=100, thumbnail_pixels=2, most_symbol_bits=1),
        },
        column="codes",
    ),
    "paper_configuration": TeachingArm(
        {
            10: deep_association(variables=168, passes=1),
            50: deep_association(variables=62, passes=2),
            100: deep_association(variables=38, passes=3),
        },
        column="codes",
    ),
    "real": TeachingArm({1: raw_association}, column="real"),
    "lossless": TeachingArm(dict.fromkeys((10, 50, 100), raw_association), column="lossless"),
}


@dataclass(frozen=True, slots=True)
class Transfer:
    """A teacher for each seed, and students of two architectures that learn from recollections only."""

    name: str = "mnist-transfer"
    held_out_one_in: int = HELD_OUT_ONE_IN
    protocol: str = (
        "Transfer of function on MNIST (paper 003, Tables 1 and 2). A LeNet (16 and 32 channels) learns "
        "50,000 training images, 8 passes' worth, augmented; a student, such a LeNet (cnn) or an MLP "
        "300-300 (mlp), starts from new weights and learns the teacher's outputs for recollections. Metric: "
        "student_compression_sampling_episodes, accuracy on the 10,000 test images; an episode is one "
        "recollection learned; active: of 10 random ones the one on which the student's loss is largest. "
        "Budget: bits of codes and of what decodes them, together a 10th, 50th or 100th of 50,000 raw "
        "images. The paper counts its encoder too; our autoencoder has linear layers besides the "
        "convolutions, so that its decoder alone takes about as many bits: only that is counted, and "
        "somewhat fewer codes fit. stored_bits: codes; parameter_bits: what decodes them. ours: transform "
        "codes. paper_configuration: Gumbel autoencoder of 168, 62 or 38 variables of two levels, 1, 2 or 3 "
        "passes (the paper: 500). lossless: as many raw images as fit. real: all 50,000, raw. 100,000 "
        "episodes: seed 0 alone. Batch and step sizes, by the number of episodes and the same for all arms, "
        "and the codes of ours were chosen on 5,000 training images held out."
    )

    def trials(self, scope: Scope) -> Iterable[Trial]:
        """All trials of a seed, then the next: they share the seed's teacher."""
        for seed in range(scope.seeds):
            yield Trial("teacher", 0, seed)
            for arm, about in ARMS.items():
                for compression in about.associations:
                    if scope.budgets_bits is None or budget_bits(compression) in scope.budgets_bits:
                        yield Trial(arm, budget_bits(compression), seed)

    def run(self, trial: Trial, *, fixture: Fixture, scope: Scope) -> Iterator[Row]:
        setup = transfer_setup(fixture, seed=trial.seed, quick=scope.quick, held_out=scope.held_out)
        if trial.arm == "teacher":
            yield teacher_row(trial, setup)
            return
        arm, compression = ARMS[trial.arm], ORIGINALS_BITS // trial.budget_bits
        found = recollect(
            arm.associations[compression],
            images=setup.images,
            budget_bits=trial.budget_bits,
            generator=torch.Generator().manual_seed(trial.seed),
        )
        targets = probabilities(setup.teacher, found.inputs, classes=CLASSES)
        for run in student_runs(most_episodes(trial.seed, quick=scope.quick)):
            accuracy, seconds = taught_student(run, setup, found.inputs, targets, seed=trial.seed)
            yield student_row(trial, run, found, accuracy=accuracy, seconds=seconds)

    def draw(self, found: Sequence[Summary], *, quick: bool, path: Path) -> None:
        transfer_plot.draw(found, title=self.name, quick=quick, path=path)


class StudentRun(NamedTuple):
    """One student, as one cell of the paper's tables has it."""

    student: str
    sampling: str
    episodes: int


def student_runs(most: int) -> Iterator[StudentRun]:
    """The cells of at most so many episodes."""
    for student, sampling in transfer_tables.TABLES:
        for episodes in SGD_SETTINGS:
            if episodes <= most:
                yield StudentRun(student, sampling, episodes)


def most_episodes(seed: int, *, quick: bool) -> int:
    """The longest run takes five times as long as all others together, so only the first seed has it."""
    longest = max(SGD_SETTINGS) if seed == 0 else LONGEST_OF_LATER_SEEDS
    return min(longest, QUICK_EPISODES) if quick else longest


def taught_student(
    run: StudentRun, setup: TransferSetup, inputs: Tensor, targets: Tensor, *, seed: int
) -> tuple[float, float]:
    """A new student's accuracy after its episodes, and the seconds that it learned."""
    generator = torch.Generator().manual_seed(seed)
    student = initialised(STUDENTS[run.student], generator)
    seconds = train(
        student,
        draw_from(inputs, targets, generator),
        sgd=SGD_SETTINGS[run.episodes],
        examples=run.episodes,
        candidates=CANDIDATES[run.sampling],
    )
    return setup.accuracy(student), seconds


def budget_bits(compression: int) -> int:
    return ORIGINALS_BITS // compression


def teacher_row(trial: Trial, setup: TransferSetup) -> Row:
    return Row(
        arm=trial.arm,
        budget_bits=0,
        stored_bits=0,
        parameter_bits=sum(weight.numel() * 32 for weight in setup.teacher.weights),
        seed=trial.seed,
        metric="teacher",
        value=setup.accuracy(setup.teacher),
        paper=transfer_tables.TEACHER,
        seconds=round(setup.seconds, 2),
        examples_per_s=round(setup.taught_examples / setup.seconds, 1),
    )


def student_row(trial: Trial, run: StudentRun, found: Recollected, *, accuracy: float, seconds: float) -> Row:
    student, sampling, episodes = run
    compression = ORIGINALS_BITS // trial.budget_bits
    column = f"{ARMS[trial.arm].column} {compression}"
    return Row(
        arm=trial.arm,
        budget_bits=trial.budget_bits,
        stored_bits=found.stored_bits,
        parameter_bits=found.decoder_bits,
        seed=trial.seed,
        metric=f"{student}_{compression}x_{sampling}_{episodes}",
        value=accuracy,
        paper=transfer_tables.paper_accuracy(
            student=student, sampling=sampling, column=column, episodes=episodes
        ),
        seconds=round(seconds, 2),
        examples_per_s=round(episodes / seconds, 1),
    )


MNIST_TRANSFER = Transfer()
