"""How the masks of a class harden while it is learned (paper 004, Fig. 7)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from streamlearner.bench.kit.experiment import Trial, trial_rows
from streamlearner.bench.kit.fixture import Dataset
from streamlearner.bench.kit.results import Row
from streamlearner.bench.kit.retention_curve import to_tensor
from streamlearner.generative.mask_learning import ClassTraining, OldExamples, learn_class
from streamlearner.generative.masked_network import MaskedNetwork

EVERY = 20
"""Steps between two points."""
TRAINING = ClassTraining(
    steps=500,
    batch_size=64,
    learning_rate=2e-3,
    s_max=100.0,
    sparsity=0.03,
    gradient_penalty=1.0,
    hidden=256,
)
"""The defaults of `method.masked_generator`, written out, so that a new default changes no old result."""


def mask_rows(trial: Trial, training: Dataset, *, quick: bool) -> Iterator[Row]:
    """Learns the first two classes by themselves, without a daemon, and measures the masks of the second."""
    rng = torch.Generator().manual_seed(trial.seed)
    network = MaskedNetwork(input_shape=(1, 28, 28), latents=32, units=(128, 256), rng=rng)
    images, labels = to_tensor(training).flatten(1).float().div_(255), [int(k) for k in training.labels]
    class_training = replace(TRAINING, steps=EVERY) if quick else TRAINING
    started, measured = time.perf_counter(), dict[str, float]()

    def old(n: int) -> OldExamples | None:
        if not network.known:
            return None
        return OldExamples(network.generate(0, n, rng=rng).flatten(1), torch.zeros(n, dtype=torch.int64))

    for label in (0, 1):
        own = images[torch.tensor([k == label for k in labels])]
        steps = learn_class(
            network,
            label,
            draw=partial(sample, own, rng=rng),
            draw_old=old,
            classes=2,
            training=class_training,
            rng=rng,
        )
        for step, masks in enumerate(steps, start=1):
            if label and step % EVERY == 0:
                measured |= mask_metrics(torch.cat([mask.detach() for mask in masks]), step)
    yield from trial_rows(
        trial,
        measured,
        parameter_bits=sum(tensor.nbytes * 8 for tensor in network.state_dict().values()),
        seconds=time.perf_counter() - started,
        examples=2 * class_training.steps * class_training.batch_size,
    )


def sample(images: Tensor, n: int, *, rng: torch.Generator) -> Tensor:
    """`n` images, drawn with replacement."""
    return images[torch.randint(len(images), (n,), generator=rng)]


def mask_metrics(masks: Tensor, step: int) -> dict[str, float]:
    """Over the masks of all units: mean, standard deviation, proportion above a half."""
    return {
        f"mask_mean_at_{step}": float(masks.mean()),
        f"mask_spread_at_{step}": float(masks.std()),
        f"mask_used_at_{step}": float((masks > 0.5).float().mean()),
    }
