"""Digits under noise and behind a bar: a memory that reconstructs before it answers (paper 001, Figure 9)."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from streamlearner.bench import factor_picture, ordering
from streamlearner.bench.experiment import Scope, Trial, rows_of
from streamlearner.bench.results import Row, Sheet, tiled
from streamlearner.bench.retention_curve import accuracy, inputs
from streamlearner.bench.workbench import Pictures, Settings, Workbench
from streamlearner.methods.base import raw, unit_interval

if TYPE_CHECKING:
    from streamlearner.bench.report import Figure

NOISES = (0, 10, 20, 30, 40, 50, 60, 80, 100)
"""Standard deviations of normal noise, in percent of the range of a pixel."""
OCCLUSIONS = (0, 10, 20, 30, 40, 50, 60)
"""Widths of a black bar down the middle, in percent of the picture's."""
CURVES = ("accuracy_under_noise", "accuracy_under_occlusion")
NOISE_SEED = 9_001
QUICK_SIZES = 400, 100
GENERATIVE = "deep_generative_replay"
SHOWN = 10


def noisy(images: NDArray[np.uint8], percent: int) -> NDArray[np.uint8]:
    """With normal noise of this deviation; the same for every arm and seed."""
    noise = np.random.default_rng(NOISE_SEED).normal(0.0, 2.55 * percent, images.shape)
    found: NDArray[np.uint8] = np.clip(images + noise, 0, 255).round().astype(np.uint8)
    return found


def occluded(images: NDArray[np.uint8], percent: int) -> NDArray[np.uint8]:
    """With the middle columns black."""
    found, width = images.copy(), images.shape[2]
    bar = round(width * percent / 100)
    left = (width - bar) // 2
    found[:, :, left : left + bar] = 0
    return found


@dataclass(frozen=True, slots=True)
class NoiseAndOcclusion:
    """Both arms learn the whole set shuffled, clean, once; harm comes only at test."""

    name: str
    protocol: str
    arms: Mapping[str, Settings]
    held_out_one_in: int = 6

    def trials(self, scope: Scope) -> Iterable[Trial]:
        return [Trial(arm=arm, budget_bits=0, seed=seed) for arm in self.arms for seed in range(scope.seeds)]

    def run(self, trial: Trial, *, workbench: Workbench, scope: Scope) -> Iterator[Row | Sheet]:
        training, test = ordering.halves(
            workbench, "MNIST", scope, quick=QUICK_SIZES, held_out_one_in=self.held_out_one_in
        )
        stream = training.select(np.random.default_rng(trial.seed).permutation(len(training.labels)))
        settings = {**self.arms[trial.arm], "seed": trial.seed, "sleep.every_examples": None}
        with workbench.daemon(settings, workbench.messages(stream)) as daemon:
            started = time.perf_counter()
            daemon.run()
            seconds, learner = time.perf_counter() - started, daemon.learner
        yield from rows_of(
            trial,
            told(learner, test),
            parameter_bits=sum(learner.method.parameter_bits().values()),
            seconds=seconds,
            examples=len(stream.labels),
        )
        if trial.arm == GENERATIVE and not trial.seed:
            yield Sheet("reconstructions", reconstructed(learner, test))

    def draw(self, found: Sequence[Figure], *, quick: bool, path: Path) -> None:
        """Accuracy against noise, and against the width of the bar."""
        factor_picture.draw(found, factors=CURVES, title=self.name, quick=quick, path=path, below="percent")


def told(learner: Any, test: Pictures) -> dict[str, float]:
    """Accuracy under each harm, and the mean over each kind."""
    measured = {"accuracy": accuracy(learner, test, names_tasks=False)}
    for curve, harm, amounts in zip(CURVES, (noisy, occluded), (NOISES, OCCLUSIONS), strict=True):
        found = {
            percent: accuracy(learner, replace(test, images=harm(test.images, percent)), names_tasks=False)
            for percent in amounts
        }
        measured[curve] = sum(found.values()) / len(found)
        measured |= {f"{curve}_at_{percent}": share for percent, share in found.items()}
    return measured


@torch.no_grad()
def reconstructed(learner: Any, test: Pictures) -> torch.Tensor:
    """In rows: digits as they are, with noise of 40 percent, behind a bar of 30; under each row how the
    memory sees it."""
    some = test.select(np.array([test.labels.index(digit) for digit in sorted(set(test.labels))[:SHOWN]]))
    rows = []
    for images in (some.images, noisy(some.images, 40), occluded(some.images, 30)):
        seen = inputs(replace(some, images=images))
        rows += [seen, raw(learner.method.hippocampus.generator.reconstruct(unit_interval(seen)))]
    return tiled(rows)


NOISE_AND_OCCLUSION = NoiseAndOcclusion(
    name="noise-and-occlusion",
    protocol=(
        "Robustness to noise and occlusion (paper 001, Figure 9): MNIST's 60,000 training images, shuffled, "
        "in one pass in batches of 10; tested on the 10,000 test images with normal noise of a deviation of "
        f"{', '.join(map(str, NOISES))} percent of a pixel's range, or with a black bar down the middle of "
        f"{', '.join(map(str, OCCLUSIONS))} percent of the width. deep_generative_replay: a deep generative "
        "memory (variational autoencoder and fully connected learner) that answers from reconstructions; "
        "it does not sleep here, so nothing is replayed. finetune: the same learner without. accuracy: "
        "clean; accuracy_under_noise, accuracy_under_occlusion: means over the harms, none included. The "
        "paper shows curves."
    ),
    arms={
        GENERATIVE: {"method.name": GENERATIVE, "network.name": "mlp"},
        "finetune": {"method.name": "finetune", "network.name": "mlp"},
    },
)
