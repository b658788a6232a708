"""All methods side by side on one class-incremental stream, each with its default settings."""

from __future__ import annotations

from dataclasses import replace

from streamlearner.bench.experiments.mnist_split import RAW_BITS
from streamlearner.bench.streams.continual import MEASURES, Arm, ContinualExperiment

BUDGETLESS = (
    "generative_dual_memory",
    "deep_generative_replay",
    "elastic_weight_consolidation",
    "meta_learned_update",
    "pseudopattern_rehearsal",
    "finetune",
)
"""Methods that store no inputs, so that no budget applies."""
COMPARED = (
    "active_long_term",
    "generative_dual_memory",
    "masked_generator",
    "deep_generative_replay",
    "elastic_weight_consolidation",
    "pseudopattern_rehearsal",
    "rehearsal",
    "finetune",
)
"""All but `ours`, the default method, in the order of the table."""


def arm(method: str) -> Arm:
    """A method with its default settings."""
    return Arm(settings={"method.name": method}, uses_memory=method not in BUDGETLESS)


METHODS_COMPARED = ContinualExperiment(
    name="methods",
    protocol=(
        "Class-incremental Split-MNIST: 60,000 training images, two digits at a time, one pass in batches of "
        "10, one head, no task named; every method with its default settings, tested on the 10,000 test "
        "images. ours is recollection_replay. Budget: bits of what is stored of the stream with labels, 10 "
        "raw images' worth; generators and networks are parameter bits. readout: a linear probe on the "
        "frozen features of the test images, by five folds; readout_of_first: of the digit that came first. "
        "meta_learned_update starts with a network that learned every other character of Omniglot, and with "
        "a gate that was trained while it learned the rest; its seconds do not count that. "
        f"sleep_seconds: spent in sleeps. {MEASURES}"
    ),
    data="MNIST",
    examples=60_000,
    held_out_one_in=6,
    classes_per_period=2,
    compares_methods=True,
    budgets_bits=(10 * RAW_BITS,),
    arms={
        "ours": Arm(settings={"method.name": "recollection_replay"}),
        **{method: arm(method) for method in COMPARED},
        "meta_learned_update": replace(arm("meta_learned_update"), gate_trained_on="Omniglot"),
        "joint": Arm(settings={"method.name": "finetune"}, uses_memory=False, shuffled=True),
    },
)
