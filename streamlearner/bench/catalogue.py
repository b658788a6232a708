"""Every experiment by its name."""

from __future__ import annotations

import difflib
from typing import Any

from streamlearner.bench.experiments.cifar100_choices import CIFAR100_CHOICES
from streamlearner.bench.experiments.cifar100_incremental import CIFAR100_INCREMENTAL
from streamlearner.bench.experiments.cifar100_total import CIFAR100_TOTAL
from streamlearner.bench.experiments.controlled_to_wild import CONTROLLED_TO_WILD
from streamlearner.bench.experiments.distortion import DISTORTION
from streamlearner.bench.experiments.generative_memories import (
    DIGITS,
    PERMNIST,
    PERMUTED_MNIST,
    PERMUTED_MNIST_SMALL,
    TDIGITS,
)
from streamlearner.bench.experiments.linear_interference import LINEAR_INTERFERENCE
from streamlearner.bench.experiments.methods import METHODS_COMPARED
from streamlearner.bench.experiments.mnist_split import MNIST_SPLIT
from streamlearner.bench.experiments.mnist_transfer import MNIST_TRANSFER
from streamlearner.bench.experiments.noise_and_occlusion import NOISE_AND_OCCLUSION
from streamlearner.bench.experiments.omniglot_incremental import OMNIGLOT_INCREMENTAL
from streamlearner.bench.experiments.one_class_at_a_time import MNIST_ONE_CLASS_AT_A_TIME
from streamlearner.bench.experiments.peers import PEERS
from streamlearner.bench.experiments.readout_pairs import CIFAR10_READOUT, MNIST_READOUT
from streamlearner.bench.experiments.revision import REVISION
from streamlearner.bench.experiments.throughput import THROUGHPUT
from streamlearner.bench.experiments.turntable import TURNTABLE
from streamlearner.bench.kit.experiment import Experiment, Scope

_ALL: tuple[Experiment, ...] = (
    MNIST_SPLIT,
    CIFAR100_INCREMENTAL,
    CIFAR100_CHOICES,
    CIFAR100_TOTAL,
    OMNIGLOT_INCREMENTAL,
    MNIST_TRANSFER,
    DISTORTION,
    PEERS,
    METHODS_COMPARED,
    MNIST_ONE_CLASS_AT_A_TIME,
    MNIST_READOUT,
    CIFAR10_READOUT,
    PERMNIST,
    DIGITS,
    TDIGITS,
    PERMUTED_MNIST,
    PERMUTED_MNIST_SMALL,
    REVISION,
    NOISE_AND_OCCLUSION,
    LINEAR_INTERFERENCE,
    TURNTABLE,
    CONTROLLED_TO_WILD,
    THROUGHPUT,
)
EXPERIMENTS: dict[str, Experiment] = {experiment.name: experiment for experiment in _ALL}


def find(name: str) -> Experiment:
    """The experiment of this name. Raises LookupError naming the nearest."""
    if name in EXPERIMENTS:
        return EXPERIMENTS[name]
    (nearest,) = difflib.get_close_matches(name, EXPERIMENTS, n=1, cutoff=0.0)
    raise LookupError(
        f"there is no experiment {name!r}; the nearest is {nearest!r}, and these are known: "
        + ", ".join(EXPERIMENTS)
    )


def description(experiment: Experiment) -> dict[str, Any]:
    """JSON: name, protocol, arms in their order, budgets in bits (0: an arm without a memory)."""
    trials = list(experiment.trials(Scope(seeds=1, budgets_bits=None, quick=False)))
    return {
        "name": experiment.name,
        "protocol": experiment.protocol,
        "arms": list(dict.fromkeys(trial.arm for trial in trials)),
        "budgets_bits": sorted({trial.budget_bits for trial in trials}),
    }
