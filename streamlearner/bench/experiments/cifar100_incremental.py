"""Task-incremental CIFAR-100 (paper 003, Table 3): how much is retained for how many bits.

Settings that define an arm are written out even where they are the default, so that a new default changes no
arm.
"""

from __future__ import annotations

from typing import Any

from streamlearner.bench.streams.continual import MEASURES, Arm, ContinualExperiment

RAW_BITS = 8 * 3 * 32 * 32
"""Bits of one raw image; a budget of "10" is ten of them."""
BUDGETS_BITS = TEN, FIFTY, TWO_HUNDRED = 10 * RAW_BITS, 50 * RAW_BITS, 200 * RAW_BITS
EVERYTHING_BITS = 50_000 * (RAW_BITS + 12)
"""Room for all training images, with seven bits of label and five of task each."""

NETWORK: dict[str, Any] = {"network.name": "resnet18_reduced", "daemon.batch_size": 10}
EXTRAS: dict[str, Any] = {
    "method.learning_rate": 0.03,
    "method.steps": 2,
    "method.recollections_per_step": 20,
    "method.views_per_step": 0,
    "method.distillation": 0.5,
    "sleep.every_examples": None,
}
"""What `ours` does besides replaying codes; `rehearsal_with_extras` does the same with raw images."""
OURS: dict[str, Any] = {**NETWORK, **EXTRAS, "memory.sampling": "balanced", "association.name": "trellis"}
RAW: dict[str, Any] = {**OURS, "association.name": "raw"}
PAPER: dict[str, Any] = {
    **NETWORK,
    "association.name": "gumbel",
    "memory.sampling": "reservoir",
    "method.steps": 3,
    "method.distillation": 0.0,
    "method.views_per_step": 0,
    "method.ema_decay": 0.0,
    "method.shift_pixels": 0,
    "method.flip": False,
    "sleep.every_examples": None,
}
"""Codes of a discrete autoencoder learned along the stream; no averaging of weights, nothing else."""


def autoencoder(variables: int, *, levels: int = 2, learning_rate: float = 1e-3) -> dict[str, Any]:
    """Settings of the paper's autoencoder; at the sizes below 5,000 codes with label and task (7 + 5 bits)
    fit the budget."""
    return {
        "association.variables": variables,
        "association.levels": levels,
        "association.learning_rate": learning_rate,
    }


CIFAR100_INCREMENTAL = ContinualExperiment(
    name="cifar100-incremental",
    protocol=(
        "Task-incremental CIFAR-100: 50,000 training images, 20 tasks (the coarse classes, in order) of "
        "five classes and 2,500 images each, one pass in batches of 10, reduced ResNet-18 (width 16); the "
        "task is named in the stream and at test (GEM's protocol; but not for ours_class_incremental); "
        "tested on the 10,000 test images. Budget: bits of codes, or of raw images, with labels and tasks; "
        "10, 50 and 200 raw images. rehearsal_with_extras: raw images with the same steps, distillation, "
        "augmentation, averaging and sleep as ours; joint: no memory, the whole stream shuffled; unlimited: "
        "rehearsal_with_extras that keeps every image, the upper limit. paper_configuration: 5,000 codes of "
        "a discrete autoencoder learned along the stream (37 variables of 2 values, 233 of 2, 612 of 3: the "
        "paper's 48, 244 and 620 less the bits of labels and tasks, which it does not count), three steps a "
        "batch, no augmentation, averaging or sleep. Settings were chosen on 100 of each class's 500 "
        "training images. On a quarter of the stream (every fourth image of each class) metrics end in "
        f"_on_quarter. The exam withholds 85 images at most. {MEASURES}"
    ),
    data="CIFAR100",
    examples=50_000,
    classes_per_period=None,
    names_tasks=True,
    budgets_bits=BUDGETS_BITS,
    quick_examples=60,
    arms={
        "ours": Arm(settings=OURS),
        "paper_configuration": Arm(
            settings=PAPER,
            by_budget={
                TEN: autoencoder(37),
                FIFTY: autoencoder(233),
                TWO_HUNDRED: autoencoder(612, levels=3, learning_rate=1e-4),
            },
            paper={TEN: 0.389, FIFTY: 0.479, TWO_HUNDRED: 0.516},
        ),
        "rehearsal": Arm(
            settings={**NETWORK, "method.name": "rehearsal", "memory.sampling": "reservoir"},
            paper={TEN: 0.294, FIFTY: 0.334, TWO_HUNDRED: 0.430},
        ),
        "rehearsal_with_extras": Arm(settings=RAW),
        "finetune": Arm(settings={**NETWORK, "method.name": "finetune"}, uses_memory=False, paper={0: 0.333}),
        "joint": Arm(settings={**NETWORK, "method.name": "finetune"}, uses_memory=False, shuffled=True),
        "unlimited": Arm(settings=RAW, budgets_bits=(EVERYTHING_BITS,)),
        "ours_class_incremental": Arm(settings={**OURS, "codec.tasks": "ignore"}),
    },
)
