"""How the masks of a class harden while it is learned (paper 004, Fig. 7)."""

from __future__ import annotations

import time
from collections.abc import Iterator

import torch
from torch import Tensor

from streamlearner.bench.experiment import Trial
from streamlearner.bench.results import Row
from streamlearner.bench.retention_curve import inputs
from streamlearner.bench.workbench import Pictures
from streamlearner.mask_learning import Course, Old, learn_class
from streamlearner.masked_network import MaskedNetwork

STEPS = 500
POINTS = 25
COURSE = Course(
    steps=STEPS,
    batch_size=64,
    learning_rate=2e-3,
    sharpest=100.0,
    sparsity=1.0,
    gradient_penalty=10.0,
    hidden=256,
)
"""The defaults of `method.masked_generator`, written out: a new default changes no old figure."""


def rows(trial: Trial, training: Pictures, *, quick: bool) -> Iterator[Row]:
    """The first two classes by themselves, without a daemon; what is told is of the second."""
    chance = torch.Generator().manual_seed(trial.seed)
    network = MaskedNetwork(input_shape=(1, 28, 28), latents=32, units=(128, 256), chance=chance)
    images, labels = inputs(training).flatten(1).float().div_(255), [int(k) for k in training.labels]
    started, measured = time.perf_counter(), dict[str, float]()
    for label in (0, 1):
        own = images[torch.tensor([k == label for k in labels])]

        def draw(n: int, own: Tensor = own) -> Tensor:
            return own[torch.randint(len(own), (n,), generator=chance)]

        def draw_old(n: int, label: int = label) -> Old | None:
            if not label:
                return None
            return Old(network.generate(0, n, chance=chance).flatten(1), torch.zeros(n, dtype=torch.int64))

        course = learn_class(
            network, label, draw=draw, draw_old=draw_old, classes=2, course=COURSE, chance=chance
        )
        for step, masks in enumerate(course, start=1):
            if label and step % (STEPS // POINTS) == 0:
                measured |= told(torch.cat([mask.detach() for mask in masks]), step)
            if quick and step % 20 == 0:
                break
        if quick and not label:
            network.reserve(0, [torch.ones(layer.units) > 0 for layer in network.masked], chance=chance)
    seconds = time.perf_counter() - started
    for metric, value in measured.items():
        yield Row(
            arm=trial.arm,
            budget_bits=0,
            stored_bits=0,
            parameter_bits=sum(tensor.nbytes * 8 for tensor in network.state_dict().values()),
            seed=trial.seed,
            metric=metric,
            value=value,
            paper=None,
            seconds=round(seconds, 2),
            examples_per_s=round(2 * STEPS * COURSE.batch_size / seconds, 1),
        )


def told(masks: Tensor, step: int) -> dict[str, float]:
    """Of all units' masks together."""
    return {
        f"mask_mean_at_{step}": float(masks.mean()),
        f"mask_spread_at_{step}": float(masks.std()),
        f"mask_used_at_{step}": float((masks > 0.5).float().mean()),
    }
