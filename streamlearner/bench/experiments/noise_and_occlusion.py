"""Noisy and occluded digits: a memory that reconstructs before it predicts (paper 001, Figure 9)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from streamlearner.bench.kit import ordering
from streamlearner.bench.kit.experiment import Scope, Trial, trial_rows
from streamlearner.bench.kit.fixture import Dataset, Fixture, Settings
from streamlearner.bench.kit.results import Row, Sheet, tiled
from streamlearner.bench.kit.retention_curve import accuracy, count_correct
from streamlearner.bench.kit.summary import Summary
from streamlearner.bench.plots import factors as factor_plot
from streamlearner.methods.base import raw, unit_interval
from streamlearner.stream import Message

NOISES = (0, 10, 20, 30, 40, 50, 60, 80, 100)
"""Standard deviations of normal noise, in percent of a pixel's range."""
OCCLUSIONS = (0, 10, 20, 30, 40, 50, 60)
"""Widths of a black square in the middle, in percent of the image's."""
NOISE_SEED = 9_001
QUICK_SIZES = 400, 100
EPOCHS, QUICK_EPOCHS = 20, 2
GENERATIVE, PLAIN = "deep_generative_replay", "finetune"
SHOWN = 10


def noisy(images: NDArray[np.uint8], percent: int) -> NDArray[np.float32]:
    """Images [n, H, W] in [0, 1] plus normal noise of this deviation, so that some values lie outside; the
    noise is the same for every arm and seed."""
    noise = np.random.default_rng(NOISE_SEED).normal(0.0, percent / 100, images.shape)
    return (images / 255 + noise).astype(np.float32)


def clipped(images: NDArray[np.uint8], percent: int) -> NDArray[np.float32]:
    """`noisy`, cut off at 0 and 1 as a camera would, which brightens a black background."""
    return noisy(images, percent).clip(0, 1)


def occluded(images: NDArray[np.uint8], percent: int) -> NDArray[np.uint8]:
    """Images with a black square in the middle."""
    found, width = images.copy(), images.shape[2]
    side = round(width * percent / 100)
    top, left = (images.shape[1] - side) // 2, (width - side) // 2
    found[:, top : top + side, left : left + side] = 0
    return found


DISTURBANCES: Mapping[str, tuple[Callable[[NDArray[np.uint8], int], NDArray[Any]], tuple[int, ...]]] = {
    "accuracy_under_noise": (noisy, NOISES),
    "accuracy_under_clipped_noise": (clipped, NOISES),
    "accuracy_under_occlusion": (occluded, OCCLUSIONS),
}
PANELS = {
    "accuracy_under_noise": ("noise added", "standard deviation, % of a pixel's range"),
    "accuracy_under_clipped_noise": ("noise added, cut off at black and white", "standard deviation, %"),
    "accuracy_under_occlusion": ("a black square in the middle", "width, % of the image's"),
}
"""Of the plot: title, and what the number of a metric counts."""


@dataclass(frozen=True, slots=True)
class NoiseAndOcclusion:
    """All arms learn the undisturbed training set `EPOCHS` times; only the test images are disturbed."""

    name: str
    protocol: str
    arms: Mapping[str, Settings]
    held_out_one_in: int = 6

    def trials(self, scope: Scope) -> Iterable[Trial]:
        return [Trial(arm=arm, budget_bits=0, seed=seed) for arm in self.arms for seed in range(scope.seeds)]

    def run(self, trial: Trial, *, fixture: Fixture, scope: Scope) -> Iterator[Row | Sheet]:
        training, test = ordering.training_and_test(
            fixture, "MNIST", scope, quick=QUICK_SIZES, held_out_one_in=self.held_out_one_in
        )
        stream = repeated(
            fixture.messages(training), epochs=QUICK_EPOCHS if scope.quick else EPOCHS, seed=trial.seed
        )
        settings = {**COMMON, **self.arms[trial.arm], "seed": trial.seed}
        with fixture.daemon(settings, stream) as daemon:
            started = time.perf_counter()
            daemon.run()
            seconds, learner = time.perf_counter() - started, daemon.learner
        yield from trial_rows(
            trial,
            disturbance_metrics(learner, test),
            parameter_bits=sum(learner.method.parameter_bits().values()),
            seconds=seconds,
            examples=len(stream),
        )
        if trial.arm != PLAIN and not trial.seed:
            yield Sheet(trial.arm, reconstructed(learner, test))

    def draw(self, found: Sequence[Summary], *, quick: bool, path: Path) -> None:
        """Accuracy against the amount of each disturbance."""
        factor_plot.draw(found, panels=PANELS, title=self.name, quick=quick, path=path)


def repeated(messages: Sequence[Message], *, epochs: int, seed: int) -> list[Message]:
    """All messages `epochs` times, each time in another order."""
    rng = np.random.default_rng(seed)
    order = [number for _ in range(epochs) for number in rng.permutation(len(messages)).tolist()]
    return [replace(messages[number], offset=offset) for offset, number in enumerate(order)]


def disturbance_metrics(learner: Any, test: Dataset) -> dict[str, float]:
    """Accuracy without a disturbance, under each, and the mean over the amounts of each kind."""
    measured, count = {"accuracy": accuracy(learner, test, names_tasks=False)}, len(test.labels)
    for curve, (disturb, amounts) in DISTURBANCES.items():
        found = {
            percent: count_correct(learner, with_channel(disturb(test.images, percent)), test.labels) / count
            for percent in amounts
        }
        measured[curve] = sum(found.values()) / len(found)
        measured |= {f"{curve}_at_{percent}": value for percent, value in found.items()}
    return measured


def with_channel(images: NDArray[Any]) -> Tensor:
    """Grey images [n, H, W] as [n, 1, H, W], which the predictor takes."""
    return torch.from_numpy(images)[:, None]


@torch.no_grad()
def reconstructed(learner: Any, test: Dataset) -> Tensor:
    """In rows: digits undisturbed, with noise of 40 percent, behind a square of 30 percent; below each row
    its reconstruction."""
    some = test.select(np.array([test.labels.index(digit) for digit in sorted(set(test.labels))[:SHOWN]]))
    rows = []
    for images in (some.images, noisy(some.images, 40), occluded(some.images, 30)):
        seen = unit_interval(with_channel(images))
        rows += [raw(seen.clamp(0, 1)), raw(learner.method.hippocampus.generator.reconstruct(seen))]
    return tiled(rows)


COMMON: Settings = {"daemon.batch_size": 100, "sleep.every_examples": None}
"""For all arms: with many passes batches may be large; the stream is not continual, so none sleeps."""
NOISE_AND_OCCLUSION = NoiseAndOcclusion(
    name="noise-and-occlusion",
    protocol=(
        f"Robustness to noise and occlusion (paper 001, Figure 9): MNIST's 60,000 training images, {EPOCHS} "
        "times over, shuffled anew each time, in batches of 100, two steps a batch; tested on the 10,000 "
        f"test images with normal noise of a deviation of {', '.join(map(str, NOISES))} percent of a "
        f"pixel's range, or with a black square in the middle, {', '.join(map(str, OCCLUSIONS))} percent of "
        "the image wide. accuracy_under_noise: the noise is added; accuracy_under_clipped_noise: and cut "
        "off at black and white, as a camera would; means over all amounts, zero included. "
        "deep_generative_replay: a deep generative memory (variational autoencoder and fully connected "
        "learner of two hidden layers of 48) that predicts from reconstructions; it does not sleep here, so "
        "nothing is replayed. denoising: the same, its generator learns to see through noise of a deviation "
        "up to a half and single pixels missing, up to a half of them. finetune: the same learner without a "
        "generator. The paper shows curves."
    ),
    arms={
        GENERATIVE: {"method.name": GENERATIVE, "network.name": "mlp_small"},
        "denoising": {
            "method.name": GENERATIVE,
            "method.generative_dual_memory.denoising": 0.5,
            "network.name": "mlp_small",
        },
        PLAIN: {"method.name": PLAIN, "method.steps": 2, "network.name": "mlp_small"},
    },
)
