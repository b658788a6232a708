"""Every experiment by its name. Its code, and torch with it, is imported when it is looked up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from streamlearner.registry.part import BrokenPart, Registry

if TYPE_CHECKING:
    from streamlearner.bench.kit.experiment import Experiment

REGISTRY = Registry("experiment", plural="experiments")

REGISTRY.register(
    "mnist-split",
    "streamlearner.bench.experiments.mnist_split:MNIST_SPLIT",
    "class-incremental MNIST, two digits at a time, at the bits of 10, 50 and 200 raw images",
)
REGISTRY.register(
    "cifar100-incremental",
    "streamlearner.bench.experiments.cifar100_incremental:CIFAR100_INCREMENTAL",
    "task-incremental CIFAR-100, 20 tasks, at the bits of 10, 50 and 200 raw images",
)
REGISTRY.register(
    "cifar100-choices",
    "streamlearner.bench.experiments.cifar100_choices:CIFAR100_CHOICES",
    "what each choice of the default method is worth on a quarter of it",
)
REGISTRY.register(
    "cifar100-total",
    "streamlearner.bench.experiments.cifar100_total:CIFAR100_TOTAL",
    "the same with the association's parameters inside the budget",
)
REGISTRY.register(
    "omniglot-incremental",
    "streamlearner.bench.experiments.omniglot_incremental:OMNIGLOT_INCREMENTAL",
    "task-incremental Omniglot, eight alphabets",
)
REGISTRY.register(
    "eyes",
    "streamlearner.bench.experiments.eyes:EYES",
    "class-incremental CIFAR-100 from the features of a pretrained network",
)
REGISTRY.register(
    "eyes-elsewhere",
    "streamlearner.bench.experiments.eyes_elsewhere:EYES_ELSEWHERE",
    "the same on CIFAR-10 and Omniglot",
)
REGISTRY.register(
    "eyes-at-224",
    "streamlearner.bench.experiments.eyes_at_224:EYES_AT_224",
    "the same with images of 224 pixels, and how fast they are seen: for an accelerator",
)
REGISTRY.register(
    "eye-throughput",
    "streamlearner.bench.experiments.eye_throughput:EYE_THROUGHPUT",
    "examples a second from features that are sent, and through an eye",
)
REGISTRY.register(
    "eye-small-batches",
    "streamlearner.bench.experiments.eye_small_batches:EYE_SMALL_BATCHES",
    "images through an eye in batches of ten, beside the eye alone",
)
REGISTRY.register(
    "mnist-transfer",
    "streamlearner.bench.experiments.mnist_transfer:MNIST_TRANSFER",
    "transfer of function to a fresh network by recollections alone (paper 003)",
)
REGISTRY.register(
    "distortion",
    "streamlearner.bench.experiments.distortion:DISTORTION",
    "distortion against the bits of a code, of every association and of JPEG",
)
REGISTRY.register(
    "peers",
    "streamlearner.bench.experiments.peers:PEERS",
    "experience replay, ER-ACE, DER++ and Avalanche at equal bits, and their speed",
)
REGISTRY.register(
    "streams",
    "streamlearner.bench.experiments.streams:STREAMS",
    "default settings on streams of many kinds, beside what is simple and what replays raw items",
)
REGISTRY.register(
    "methods",
    "streamlearner.bench.experiments.methods:METHODS_COMPARED",
    "every method side by side on class-incremental MNIST",
)
REGISTRY.register(
    "mnist-one-class-at-a-time",
    "streamlearner.bench.experiments.one_class_at_a_time:MNIST_ONE_CLASS_AT_A_TIME",
    "one digit after the other, a sleep after each (paper 004)",
)
REGISTRY.register(
    "mnist-readout",
    "streamlearner.bench.experiments.readout_pairs:MNIST_READOUT",
    "what a representation keeps from digits 0-4 to 5-9 (paper 002)",
)
REGISTRY.register(
    "cifar10-readout",
    "streamlearner.bench.experiments.readout_pairs:CIFAR10_READOUT",
    "the same on CIFAR-10",
)
REGISTRY.register(
    "permnist",
    "streamlearner.bench.experiments.generative_memories:PERMNIST",
    "six changes of MNIST, task by task (paper 001)",
)
REGISTRY.register(
    "digits",
    "streamlearner.bench.experiments.generative_memories:DIGITS",
    "ten digits one after the other (paper 001)",
)
REGISTRY.register(
    "tdigits",
    "streamlearner.bench.experiments.generative_memories:TDIGITS",
    "forty classes one after the other, digits mirrored and turned (paper 001)",
)
REGISTRY.register(
    "permuted-mnist",
    "streamlearner.bench.experiments.generative_memories:PERMUTED_MNIST",
    "six orders of all pixels, task by task",
)
REGISTRY.register(
    "permuted-mnist-small",
    "streamlearner.bench.experiments.generative_memories:PERMUTED_MNIST_SMALL",
    "the same with a network too small for all",
)
REGISTRY.register(
    "revision",
    "streamlearner.bench.experiments.revision:REVISION",
    "tasks that come back (paper 001, Figure 6)",
)
REGISTRY.register(
    "noise-and-occlusion",
    "streamlearner.bench.experiments.noise_and_occlusion:NOISE_AND_OCCLUSION",
    "noise and black squares at test (paper 001, Figure 9)",
)
REGISTRY.register(
    "linear-interference",
    "streamlearner.bench.experiments.linear_interference:LINEAR_INTERFERENCE",
    "one task twice in a deep linear network (paper 000, Figure 1)",
)
REGISTRY.register(
    "turntable",
    "streamlearner.bench.experiments.turntable:TURNTABLE",
    "category, then viewpoint, then category again (paper 000, Figure 2)",
)
REGISTRY.register(
    "controlled-to-wild",
    "streamlearner.bench.experiments.controlled_to_wild:CONTROLLED_TO_WILD",
    "digits on a turntable, then CIFAR-100 (paper 000, Table 1)",
)
REGISTRY.register(
    "questions",
    "streamlearner.bench.experiments.questions:QUESTIONS",
    "what it is worth to choose which inputs get a label",
)
REGISTRY.register(
    "cluster",
    "streamlearner.bench.experiments.cluster:CLUSTER",
    "four learners that see other digits each, consolidated, beside one learner and averaged weights",
)
REGISTRY.register(
    "cluster-features",
    "streamlearner.bench.experiments.cluster:CLUSTER_FEATURES",
    "the same from the features of a pretrained network: 100 classes, of which each learner sees 25",
)
REGISTRY.register(
    "cluster-simulation",
    "streamlearner.bench.experiments.cluster_simulation:CLUSTER_SIMULATION",
    "how far a cluster goes, up to 100 learners with failures: simulated from costs that are measured",
)
REGISTRY.register(
    "cluster-throughput",
    "streamlearner.bench.experiments.cluster_throughput:CLUSTER_THROUGHPUT",
    "two learners over one, each held to one core, and what consolidating costs them",
)
REGISTRY.register(
    "ingest",
    "streamlearner.bench.experiments.ingest:INGEST",
    "what it costs to get examples into the daemon, by HTTP bodies and from files",
)
REGISTRY.register(
    "throughput",
    "streamlearner.bench.experiments.throughput:THROUGHPUT",
    "the daemon's examples a second against a bare loop",
)
REGISTRY.register(
    "serving",
    "streamlearner.bench.experiments.serving:SERVING",
    "requests a second beside other servers, and what learning keeps meanwhile",
)
REGISTRY.register(
    "start",
    "streamlearner.bench.experiments.start:START",
    "what a start costs: seconds to the first answer and to learning, and memory beyond torch's own",
)


class Catalogue(Mapping[str, "Experiment"]):
    """The experiments by name, each imported when it is taken."""

    def __getitem__(self, name: str) -> Experiment:
        if name not in self:
            raise KeyError(name)
        return find(name)

    def __contains__(self, name: object) -> bool:
        return name in REGISTRY.names()

    def __iter__(self) -> Iterator[str]:
        return iter(REGISTRY.names())

    def __len__(self) -> int:
        return len(REGISTRY.names())


EXPERIMENTS = Catalogue()


def find(name: str) -> Experiment:
    """The experiment of this name. Raises UnknownPart, with the nearest name, and BrokenPart."""
    part = REGISTRY.find(name)
    found: Experiment = part.load()
    if not (hasattr(found, "trials") and hasattr(found, "run")):
        raise BrokenPart(f"{part}: expected `trials` and `run`, as bench.kit.experiment.Experiment has them")
    return found


def description(experiment: Experiment) -> dict[str, Any]:
    """JSON: name, protocol, arms in their order, budgets in bits (0: an arm without a memory)."""
    from streamlearner.bench.kit.experiment import Scope

    trials = list(experiment.trials(Scope(seeds=1, budgets_bits=None, quick=False)))
    return {
        "name": experiment.name,
        "protocol": experiment.protocol,
        "arms": list(dict.fromkeys(trial.arm for trial in trials)),
        "budgets_bits": sorted({trial.budget_bits for trial in trials}),
    }
