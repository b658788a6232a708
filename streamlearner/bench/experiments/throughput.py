"""What the daemon costs on top of learning, and whether a step's cost grows with the memory.

Values are ratios within one run: all that is compared takes turns, and seconds are those of this process on
the CPU, so that neither a machine whose speed drifts nor its other users count.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor

from streamlearner.bench.kit.experiment import Scope, Trial
from streamlearner.bench.kit.fixture import Dataset, Fixture
from streamlearner.bench.kit.results import Row
from streamlearner.bench.peers.behind import accuracies_when_behind, ratios_when_behind
from streamlearner.bench.peers.growth import growth_ratios
from streamlearner.bench.peers.loops import (
    BATCH,
    BareErAce,
    Loop,
    ObserveAlone,
    OwnSteps,
    learn_as,
    tensors_of,
)
from streamlearner.bench.peers.pauses import CODES_BYTES, pauses
from streamlearner.bench.peers.turns import Taken, TurnSource, cpu_seconds_of, run_turn

TURNS, MOST_SEEN = 7, 3_000
BUDGET_BITS, OF_200_IMAGES = 62_720, 1_254_400
SETTINGS: Mapping[str, Any] = {
    "memory.sampling": "balanced",
    "memory.budget_bits": BUDGET_BITS,
    "sleep.every_examples": None,
    "sleep.first_examples": None,
    "association.code_bits": 100,
    "precision": "fp32",
    "threads": 1,
}
FEATURES, CENTRES = 16, 2.0


class Stream(NamedTuple):
    """What is learned in an arm: the network, examples of a turn, and whether they are images of MNIST."""

    network: str
    turn: int
    images: bool = True


STREAMS = {
    "daemon": Stream("lenet", MOST_SEEN),
    "kafka": Stream("lenet", MOST_SEEN),
    "mlp": Stream("mlp", MOST_SEEN, images=False),
    "resnet": Stream("resnet18_reduced", 200),
}
BEHIND = {
    "behind": Stream("lenet", 6_400),
    "mlp_behind": Stream("mlp", 6_400, images=False),
}
BEHIND_ACCURACY = "behind_accuracy"
UNTIL_LARGE, SPLIT = 70_000, 20_000
"""Shuffled examples after which batches are as large as they get; those in which their accuracy is told."""
AS_TAKEN = ("bare", "observe")
"""Loops that learn batches of the sizes that the daemon learned, in as many steps; the others have theirs."""
GROWTH, PAUSES = "growth", "pauses"
UNTIL_PAUSE = 1_500


@dataclass(frozen=True, slots=True)
class Throughput:
    """Comparisons, each the median over turns of a ratio within a turn."""

    name: str = "throughput"
    protocol: str = (
        "Split-MNIST (daemon, kafka: LeNet; resnet: reduced ResNet-18) or ten clusters of 16 features (mlp), "
        "default method, batches of 10 new, 10 recollections and 2 augmented views of the new inputs, "
        "float32, one thread, no sleep. The daemon, from messages of the memory source (kafka: of a topic of "
        "four partitions) to weights, with checkpoints, exam, metrics and serving, over (bare) a loop of the "
        "same optimiser steps on ready tensors, as many and of the same sizes, which encodes, stores, counts "
        "and answers nothing, (observe) a loop of the method's own observe, in as many steps, (er_ace) a "
        "bare ER-ACE loop of the same network with 12 raw items of a reservoir of 600, which neither "
        "augments nor averages. growth: observe with 10 and 100 times the codes and classes over observe "
        "with few. behind, mlp_behind: the daemon with daemon.batch_size auto (thin: daemon.when_behind "
        "thin, too), over the same daemon with batches of ten, in turns of 6,400 examples after 70,000, all "
        "shuffled and waiting, by which batches have grown to 640. behind_accuracy: batches of ten and auto "
        "on 20,000 of Split-MNIST, all waiting, LeNet, 1,254,400 bits: accuracy along it, each batch "
        "answered before it is learned, and after it on the test images; the ratio is of the whole stream, "
        "once each. pauses: seconds of CPU for which the learning thread is held up by a checkpoint with 64 "
        "MiB of codes, and by an evaluation, a readout and a choice of who answers on an exam of 256 KiB "
        "(LeNet). All other values are medians of ratios of examples a second of CPU, of CPU seconds "
        "(growth), taken in turns, or of CPU seconds (pauses)."
    )

    def trials(self, scope: Scope) -> Iterable[Trial]:
        arms = [
            arm
            for arm in (*STREAMS, *BEHIND, BEHIND_ACCURACY, GROWTH, PAUSES)
            if arm != "kafka" or scope.kafka
        ]
        bits = {BEHIND_ACCURACY: OF_200_IMAGES}
        return [Trial(arm, bits.get(arm, BUDGET_BITS), seed) for seed in range(scope.seeds) for arm in arms]

    def run(self, trial: Trial, *, fixture: Fixture, scope: Scope) -> Iterator[Row]:
        started = time.perf_counter()
        measured, speed = (measured_behind if trial.arm in BEHIND else measured_in)(trial, fixture, scope)
        seconds = round(time.perf_counter() - started, 2)
        for metric, value in measured.items():
            yield Row(
                trial.arm, trial.budget_bits, 0, 0, trial.seed, metric, value, None, seconds, round(speed, 1)
            )


def measured_in(trial: Trial, fixture: Fixture, scope: Scope) -> tuple[dict[str, float], float]:
    """Values by metric of any arm but those of `BEHIND`, and examples a second of CPU."""
    turns = 2 if scope.quick else TURNS
    settings = {**SETTINGS, "memory.budget_bits": trial.budget_bits, "seed": trial.seed}
    if trial.arm == GROWTH:
        dataset = mnist(fixture, turns * (600 if scope.quick else MOST_SEEN), seed=trial.seed)
        return growth_ratios(dataset, fixture, settings, turns=turns)
    if trial.arm == PAUSES:
        dataset = mnist(fixture, 200 if scope.quick else UNTIL_PAUSE, seed=trial.seed)
        codes = CODES_BYTES // 16 if scope.quick else CODES_BYTES
        settings |= {"network.name": "lenet"}
        return pauses(dataset, fixture, settings, turns=turns, codes_bytes=codes)
    if trial.arm == BEHIND_ACCURACY:
        dataset = mnist(fixture, 600 if scope.quick else SPLIT, seed=trial.seed)
        return accuracies_when_behind(dataset, fixture.load_dataset("MNIST", False), fixture, settings)
    stream = STREAMS[trial.arm]
    count = turns * (min(stream.turn, 100) if scope.quick else stream.turn)
    dataset = mnist(fixture, count, seed=trial.seed) if stream.images else clusters(count, trial.seed)
    kafka = scope.kafka if trial.arm == "kafka" else None
    settings |= {"network.name": stream.network}
    return daemon_ratios(dataset, fixture, settings, turns=turns, kafka=kafka)


def measured_behind(trial: Trial, fixture: Fixture, scope: Scope) -> tuple[dict[str, float], float]:
    """Ratios by metric of an arm of `BEHIND`, and examples a second of CPU."""
    stream, turns = BEHIND[trial.arm], 2 if scope.quick else TURNS
    turn = 100 if scope.quick else stream.turn
    count = (turns + 1) * turn + (600 if scope.quick else UNTIL_LARGE)
    dataset = shuffled(fixture, count, images=stream.images, seed=trial.seed)
    settings = {**SETTINGS, "network.name": stream.network, "seed": trial.seed}
    return ratios_when_behind(dataset, fixture, settings, turns=turns, turn=turn)


def mnist(fixture: Fixture, count: int, *, seed: int) -> Dataset:
    """Two digits at a time."""
    dataset = fixture.load_dataset("MNIST", True)
    order = np.random.default_rng(seed).permutation(len(dataset.labels))[:count]
    return dataset.select(order[np.argsort(np.array(dataset.labels)[order] // 2, kind="stable")])


def clusters(count: int, seed: int) -> Dataset:
    """Ten normal clusters of 16 features, two at a time."""
    chosen = np.random.default_rng(seed)
    centres = chosen.normal(size=(10, FEATURES)) * CENTRES
    labels = np.sort(np.arange(count) % 10 // 2) * 2 + chosen.integers(2, size=count)
    vectors = (centres[labels] + chosen.normal(size=(count, FEATURES))).astype(np.float32)
    return Dataset(vectors, labels.tolist())


def shuffled(fixture: Fixture, count: int, *, images: bool, seed: int) -> Dataset:
    """So many examples, all classes mixed; of MNIST some more than once."""
    if not images:
        return clusters(count, seed).select(np.random.default_rng(seed).permutation(count))
    dataset = fixture.load_dataset("MNIST", True)
    return dataset.select(np.resize(np.random.default_rng(seed).permutation(len(dataset.labels)), count))


def daemon_ratios(
    dataset: Dataset, fixture: Fixture, settings: Mapping[str, Any], *, turns: int, kafka: str | None
) -> tuple[dict[str, float], float]:
    """Ratios by metric of the daemon to each loop, and the daemon's examples a second of CPU."""
    turn_examples = len(dataset.labels) // turns // BATCH * BATCH
    inputs, labels = tensors_of(dataset)
    messages = fixture.messages(dataset)
    with fixture.daemon(settings, messages) as daemon:
        source = TurnSource(fixture.build_kafka_source(messages, kafka) if kafka else daemon.state.source)
        daemon.state.intake.source = source
        daemon.serving.start()
        source.open(None)
        loops: dict[str, Loop] = {}
        speeds: dict[str, list[float]] = {}
        for turn in range(turns):
            part = slice(turn * turn_examples, (turn + 1) * turn_examples)
            source.left = turn_examples
            seconds = {"daemon": cpu_seconds_of(partial(run_turn, daemon, source))}
            loops = loops or loops_beside(daemon.learner.method, inputs, seed=int(settings["seed"]))
            for name, loop in loops.items():
                batches = source.taken if name in AS_TAKEN else [Taken(BATCH, 1)] * (turn_examples // BATCH)
                seconds[name] = cpu_seconds_of(partial(learn_as, loop, inputs[part], labels[part], batches))
            for name, spent in seconds.items():
                speeds.setdefault(name, []).append(turn_examples / spent)
        daemon.close()
    ours = speeds.pop("daemon")
    ratios = {
        f"ratio_to_{name}": statistics.median([a / b for a, b in zip(ours, theirs, strict=True)][1:])
        for name, theirs in speeds.items()
    }
    return ratios, statistics.median(ours)


def loops_beside(method: Any, inputs: Tensor, *, seed: int) -> dict[str, Loop]:
    """What takes turns with the daemon, from the network that its method has after the first turn. (A head
    has room for more classes than were met.)"""
    shape = tuple(inputs.shape[1:])
    network = method.hippocampus.network
    own = OwnSteps(method, input_shape=shape, seed=seed)
    own.classes = network.head.rows
    er_ace = BareErAce(network, classes=network.head.rows, input_shape=shape, seed=seed)
    return {"bare": own, "observe": ObserveAlone(method), "er_ace": er_ace}


THROUGHPUT = Throughput()
