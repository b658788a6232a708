"""Generative memories on many small tasks: permuted digits, digits, transformed digits (paper 001)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from streamlearner.bench.experiments.mnist_split import RAW_BITS
from streamlearner.bench.kit.fixture import Settings
from streamlearner.bench.streams.continual import MEASURES, Arm, ContinualExperiment
from streamlearner.bench.streams.digit_tasks import PERMUTATIONS, permnist, permuted, transformed

BUDGET_BITS = 10 * RAW_BITS
OTHERS = ("elastic_weight_consolidation", "pseudopattern_rehearsal", "finetune")
"""Methods without a memory of inputs, run with their default settings."""
LONG_SLEEPS: Settings = {
    "method.generative_dual_memory.steps": 10,
    "method.learning_rate": 0.2,
    "sleep.steps_per_batch": 0,
    "sleep.steps": 2_000,
    "sleep.batch_size": 64,
}
"""For generative memories: ten steps a batch, since an example comes only once, and long sleeps, for which
the stream waits."""
COMPARED = (
    "All learners are fully connected. generative_dual_memory: short-term memories for 0.25 / kappa tasks, "
    "kappa = 0.5 / the number of tasks; a sleep of 2,000 steps of 64 samples when they are full, for which "
    "the stream waits, adopted if the exam allows. paper_configuration: the same, but every sleep is "
    "adopted, as the paper has no exam. deep_generative_replay: no short-term memories; a sleep, which "
    "copies the network, when a new task has come; every sleep is adopted. All three take ten steps a "
    "batch, at step size 0.2 for their learners. dropout: finetune, half of each hidden layer left out. "
    "ours: recollection_replay with 10 raw images' bits. joint: finetune, the stream shuffled. One pass in "
    "batches of 10. The paper shows curves. "
)
TEN_STEPS: Mapping[str, Arm] = {
    f"{method}_ten_steps": Arm(
        settings={"method.name": method, "method.steps": 10, "network.name": "mlp"}, uses_memory=False
    )
    for method in OTHERS
}
"""The same methods with as many steps a batch as the generative memories take."""


def arms_for(*, tasks: int) -> Mapping[str, Arm]:
    """In the order of the table."""
    network = {"network.name": "mlp"}
    generative = {
        "method.generative_dual_memory.expected_tasks": tasks,
        "sleep.on_memory_full": True,
        "sleep.every_examples": None,
        **network,
        **LONG_SLEEPS,
    }
    dual = {"method.name": "generative_dual_memory", **generative}
    replay = {"method.name": "deep_generative_replay", "sleep.tolerance": 1.0, **generative}
    without = {
        method: Arm(settings={"method.name": method, **network}, uses_memory=False) for method in OTHERS
    }
    return {
        "ours": Arm(settings={"method.name": "recollection_replay", **network}),
        "generative_dual_memory": Arm(settings=dual, uses_memory=False),
        "paper_configuration": Arm(settings={**dual, "sleep.tolerance": 1.0}, uses_memory=False),
        "deep_generative_replay": Arm(settings=replay, uses_memory=False),
        **without,
        "dropout": Arm(
            settings={"method.name": "finetune", "network.name": "mlp_dropout"}, uses_memory=False
        ),
        "joint": Arm(settings={"method.name": "finetune", **network}, uses_memory=False, shuffled=True),
    }


def with_small_network(arms: Mapping[str, Arm]) -> Mapping[str, Arm]:
    """The arms with the paper's learner and ten steps a batch; after the paper's configuration comes one that
    consolidates task by task."""
    one = {**arms["paper_configuration"].settings, "method.generative_dual_memory.short_term_tasks": 1}
    found = dict[str, Arm]()
    for name, arm in arms.items():
        found[name] = _shrunk(arm)
        if name == "paper_configuration":
            found["one_short_term_memory"] = _shrunk(replace(arm, settings=one))
    return found


def _shrunk(arm: Arm) -> Arm:
    name = str(arm.settings["network.name"]).replace("mlp", "mlp_small")
    return replace(arm, settings={**arm.settings, "network.name": name, "method.steps": 10})


PERMUTED_MNIST = ContinualExperiment(
    name="permuted-mnist",
    protocol=(
        f"Permuted MNIST (Goodfellow et al., 2013): {PERMUTATIONS} orders of all pixels, one by one, "
        "10,000 of the 60,000 training images under each; the order is named in the stream and at test; "
        f"tested on the 10,000 test images, each under one of them. {COMPARED}Arms ending in _ten_steps take "
        f"as many steps a batch as the generative memories. {MEASURES}"
    ),
    data="MNIST",
    derive=permuted,
    examples=60_000,
    held_out_one_in=6,
    classes_per_period=None,
    names_tasks=True,
    shows=True,
    budgets_bits=(BUDGET_BITS,),
    arms={**arms_for(tasks=PERMUTATIONS), **TEN_STEPS},
)
PAPERS_LEARNER = (
    "The paper's learner for all: two hidden layers of 48 (of long-term memories; a short-term one has a "
    "hidden layer of 128), and ten steps a batch; dropout leaves out a fifth. "
)
ONE_MEMORY = (
    "one_short_term_memory: paper_configuration with one short-term memory, so that each task is "
    "consolidated alone. "
)
PERMUTED_MNIST_SMALL = replace(
    PERMUTED_MNIST,
    name="permuted-mnist-small",
    protocol=f"permuted-mnist. {PAPERS_LEARNER}{ONE_MEMORY}{COMPARED}{MEASURES}",
    arms=with_small_network(arms_for(tasks=PERMUTATIONS)),
)
PERMNIST = replace(
    PERMUTED_MNIST_SMALL,
    name="permnist",
    protocol=(
        "Permnist (paper 001, appendix 8.1): MNIST as it is, then with the 8 x 8 pixels of its centre black, "
        "white, in another order, then with 12 x 12 in another order, then mirrored; 10,000 of the 60,000 "
        "training images in each way (the paper: 30,000), which is named in the stream and at test; tested "
        f"on the 10,000 test images, each in one of them. {PAPERS_LEARNER}{ONE_MEMORY}{COMPARED}{MEASURES}"
    ),
    derive=permnist,
)
DIGITS = ContinualExperiment(
    name="digits",
    protocol=(
        "Digits (paper 001): MNIST's ten digits one after the other, a digit a task, one head, no task "
        f"named; 60,000 training images, tested on the 10,000 test images. {COMPARED}{MEASURES}"
    ),
    data="MNIST",
    examples=60_000,
    held_out_one_in=6,
    classes_per_period=1,
    shows=True,
    budgets_bits=(BUDGET_BITS,),
    arms=arms_for(tasks=10),
)
TDIGITS = ContinualExperiment(
    name="tdigits",
    protocol=(
        "TDigits (paper 001): forty classes one after the other: MNIST's digits as they are, then mirrored, "
        "then upside down, then reflected about the main diagonal, each image in one of these ways; a class "
        "a task, one head, no task named; accuracy_of_last_10: of the ten over the diagonal; 60,000 training "
        f"images, tested on the 10,000 test images. {COMPARED}{MEASURES}"
    ),
    data="MNIST",
    derive=transformed,
    examples=60_000,
    held_out_one_in=6,
    classes_per_period=1,
    newest=10,
    shows=True,
    budgets_bits=(BUDGET_BITS,),
    arms=arms_for(tasks=40),
)
