"""Distortion against compression of single images (paper 003, Figure 2, Tables 5 and 6), and on CIFAR-100."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from streamlearner.associations.contract import Association
from streamlearner.bench.kit.experiment import Scope, Trial, trial_rows
from streamlearner.bench.kit.fixture import Fixture
from streamlearner.bench.kit.results import Row
from streamlearner.bench.kit.retention_curve import to_tensor
from streamlearner.bench.kit.summary import Summary
from streamlearner.bench.material.distortion_arms import ARMS, JPEGS, CodingArm
from streamlearner.bench.material.distortion_tables import paper_curve
from streamlearner.bench.material.jpeg import coded_as_jpeg
from streamlearner.bench.plots import distortion as distortion_plot
from streamlearner.memory.packing import Packing

CHUNK = 500
"""Images measured at a time."""
MOST_OF_CIFAR = 20_000
JPEG_EXAMPLES = 10_000
QUICK_EXAMPLES, QUICK_POINTS = 300, 1


class Distortion(NamedTuple):
    """Means over pixels in [0, 1]: absolute error, and squared error over the variance of the pixels."""

    absolute: float
    normalised_squared: float


@dataclass(frozen=True, slots=True)
class DistortionExperiment:
    """A trial is one association with one size of code: it learns a data set, then codes and decodes it."""

    name: str = "distortion"
    protocol: str = (
        "Distortion against compression (paper 003, Figure 2, Tables 5 and 6). An association learns "
        "MNIST's training images in batches of 100 (autoencoders: 10), in an order drawn by the seed, and "
        "then codes them. distortion_l1: mean absolute error of pixels in [0, 1] on the training images "
        "(all 60,000), as in the paper; distortion_l1_unseen: on the 10,000 test images, by which nothing "
        "was chosen. compression: bits of a raw image over budget bits. Budget: bits of one code, "
        "c*ceil(log2 l) for autoencoders; stored_bits: of one code as packed. Parameters are not counted, "
        "as in the paper, but reported. ours: association.name karhunen_loeve, hidden 1,000 and growth 16, "
        "5 passes (a daemon has one), 15 MiB of parameters: principal components of the image, "
        "trellis-coded, with a trained correction of what is decoded. paper_configuration: Gumbel "
        "autoencoder, c and l of Table 5, all images once, step size 0.001 (the paper took the best of four "
        "for each, and does not say how long it trained). continuous: Table 6, 20,000 images once, as "
        "transform, thumbnail and trellis. distortion_over_paper_curve: ours over the paper's at the same "
        "bits, interpolated linearly in log compression between those points of Table 5 that no shorter "
        "code beats. JPEG: Pillow, first 10,000 images, header not counted, no budget (stored_bits: mean "
        "size). Arms ending in _cifar100: 20,000 training images of CIFAR-100 in one pass, distortion on "
        "the same; normalised_mse: squared error over variance; ours: trellis; gumbel: 5,000 of the images, "
        "and not at 600 bits, where its 300 filters take a core too long."
    )

    def trials(self, scope: Scope) -> Iterable[Trial]:
        """All points of an arm and seed, then the next, so that a curve is complete as early as possible."""
        for arm, about in ARMS.items():
            budgets = about.budgets_bits[:QUICK_POINTS] if scope.quick else about.budgets_bits
            for seed in range(scope.seeds):
                for budget in budgets:
                    if scope.budgets_bits is None or budget in scope.budgets_bits:
                        yield Trial(arm, budget, seed)
        for arm in JPEGS if scope.budgets_bits is None else ():
            yield Trial(arm, 0, 0)

    def run(self, trial: Trial, *, fixture: Fixture, scope: Scope) -> Iterator[Row]:
        if trial.arm in JPEGS:
            yield from jpeg_rows(trial, fixture, quick=scope.quick)
        else:
            yield from association_rows(trial, ARMS[trial.arm], fixture, quick=scope.quick)

    def draw(self, found: Sequence[Summary], *, quick: bool, path: Path) -> None:
        distortion_plot.draw(found, title=self.name, quick=quick, path=path)


def association_rows(trial: Trial, arm: CodingArm, fixture: Fixture, *, quick: bool) -> Iterator[Row]:
    """An association learns the images, then codes and decodes them."""
    images = load_images(fixture, arm.data, quick=quick)
    generator = torch.Generator().manual_seed(trial.seed)
    stream = images[torch.randperm(len(images), generator=generator)[: arm.examples]]
    fresh = arm.make(tuple(images.shape[1:]), trial.budget_bits, generator)
    passes = 1 if quick else arm.passes
    started = time.perf_counter()
    association = fit(fresh, stream, passes=passes, batch=arm.batch, generator=generator)
    seconds = time.perf_counter() - started
    found = distortion(association, images)
    measured = {"distortion_l1": found.absolute, "compression": raw_bits(images) / trial.budget_bits}
    if arm.data == "MNIST":
        unseen = load_images(fixture, arm.data, train=False, quick=quick)
        measured["distortion_l1_unseen"] = distortion(association, unseen).absolute
    else:
        measured["normalised_mse"] = found.normalised_squared
    if arm.beside_paper_curve:
        measured["distortion_over_paper_curve"] = found.absolute / paper_curve(trial.budget_bits)
    paper = {"distortion_l1": arm.paper[trial.budget_bits]} if trial.budget_bits in arm.paper else None
    yield from trial_rows(
        trial,
        measured,
        paper=paper,
        stored_bits=Packing(association.radices).code_bits,
        parameter_bits=association.parameter_bits(),
        seconds=seconds,
        examples=passes * len(stream),
    )


def jpeg_rows(trial: Trial, fixture: Fixture, *, quick: bool) -> Iterator[Row]:
    """JPEG, which learns nothing, on the first images of the training set."""
    data, quality = JPEGS[trial.arm]
    images = load_images(fixture, data, quick=quick)[:JPEG_EXAMPLES]
    started = time.perf_counter()
    decoded, bits = coded_as_jpeg(images, quality=quality)
    seconds = time.perf_counter() - started
    found = distortion_between(decoded, images)
    measured = {"distortion_l1": found.absolute, "compression": raw_bits(images) / bits}
    if data != "MNIST":
        measured["normalised_mse"] = found.normalised_squared
    yield from trial_rows(
        trial,
        measured,
        stored_bits=round(bits),
        parameter_bits=0,
        seconds=seconds,
        examples=len(images),
    )


def load_images(fixture: Fixture, data: str, *, train: bool = True, quick: bool = False) -> Tensor:
    """Images [n, C, H, W] float32 in [0, 1]."""
    most = MOST_OF_CIFAR if data == "CIFAR100" else None
    images = to_tensor(fixture.load_dataset(data, train, most=QUICK_EXAMPLES if quick else most))
    return images[: QUICK_EXAMPLES if quick else None].float() / 255.0


def fit(
    association: Association, stream: Tensor, *, passes: int, batch: int, generator: torch.Generator
) -> Association:
    """The association after `passes` over `stream` [n, C, H, W], each in a new order."""
    for _ in range(passes):
        for places in torch.split(torch.randperm(len(stream), generator=generator), batch):
            association.learn(stream[places], None)
            association = association.renew() or association
    return association


def distortion(association: Association, images: Tensor) -> Distortion:
    """Between `images` [n, C, H, W] and their recollections."""
    parts = torch.split(images, CHUNK)
    return distortion_between(
        torch.cat([association.decode(association.encode(part)) for part in parts]), images
    )


def distortion_between(decoded: Tensor, images: Tensor) -> Distortion:
    error = decoded - images
    variance = float((images - images.mean(0)).square().mean())
    return Distortion(float(error.abs().mean()), float(error.square_().mean()) / variance)


def raw_bits(images: Tensor) -> int:
    return 8 * images[0].numel()


DISTORTION = DistortionExperiment()
