"""Class-incremental Split-MNIST: how much is retained for how many bits.

Settings that define an arm are written out even where they are the default, so that a new default changes no
arm.
"""

from __future__ import annotations

from streamlearner.bench.streams.continual import MEASURES, Arm, ContinualExperiment

RAW_BITS = 8 * 28 * 28
"""Bits of one raw image; a budget of "10" is ten of them."""

MNIST_SPLIT = ContinualExperiment(
    name="mnist-split",
    protocol=(
        "Class-incremental Split-MNIST: 60,000 training images, two digits at a time, one pass in "
        "batches of 10, one head, no task named; tested on the 10,000 test images. Budget: bits of "
        "codes with labels, or of raw images with labels; 10, 50 and 200 raw images. Settings were "
        f"chosen on 10,000 images held out from training. {MEASURES}"
    ),
    data="MNIST",
    examples=60_000,
    held_out_one_in=6,
    classes_per_period=2,
    budgets_bits=(10 * RAW_BITS, 50 * RAW_BITS, 200 * RAW_BITS),
    arms={
        "ours": Arm(settings={"memory.sampling": "balanced"}),
        "rehearsal": Arm(settings={"method.name": "rehearsal", "memory.sampling": "reservoir"}),
        "finetune": Arm(settings={"method.name": "finetune"}, uses_memory=False),
    },
)
