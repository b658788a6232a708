"""What the daemon costs on top of learning, and whether a step's cost grows with the memory.

Values are ratios within one run: daemon and bare loop take turns, so that a machine whose speed drifts slows
both.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from streamlearner.bench.kit.experiment import Scope, Trial
from streamlearner.bench.kit.fixture import Dataset, Fixture
from streamlearner.bench.kit.results import Row
from streamlearner.bench.peers.turns import TurnSource, run_turn, seconds_of
from streamlearner.methods.base import Experience
from streamlearner.networks.augmentation import Augmentation
from streamlearner.networks.by_name import lenet

BATCH = 10
TURNS = 7
SETTINGS = {
    "memory.sampling": "balanced",
    "memory.budget_bits": 62_720,
    "sleep.every_examples": None,
    "association.code_bits": 100,
}


@dataclass(frozen=True, slots=True)
class Throughput:
    """Three comparisons, each the median over turns of a ratio within a turn."""

    name: str = "throughput"
    protocol: str = (
        "Split-MNIST, default method, batches of 10 new, 10 recollections and 2 augmented views of the new "
        "inputs, LeNet, no sleep. daemon: messages from the memory source (kafka: from a topic of four "
        "partitions) to weights, with checkpoints, exam, metrics and serving, over (a) a bare loop of the "
        "same optimiser steps on ready tensors (same network, batch shapes, augmentation, loss terms, "
        "weight averaging; nothing encoded or stored) and (b) a loop of the method's own observe. growth: "
        "observe with 10 times the codes and 10 times the classes over observe with few. Values are medians "
        "of ratios of examples/s (daemon, kafka) or of seconds (growth) taken in turns."
    )

    def trials(self, scope: Scope) -> Iterable[Trial]:
        arms = ("daemon", *(("kafka",) if scope.kafka else ()), "growth")
        return [Trial(arm, 62_720, seed) for seed in range(scope.seeds) for arm in arms]

    def run(self, trial: Trial, *, fixture: Fixture, scope: Scope) -> Iterator[Row]:
        turns, examples = (2, 600) if scope.quick else (TURNS, 3_000)
        dataset = fixture.load_dataset("MNIST", True)
        order = np.random.default_rng(trial.seed).permutation(len(dataset.labels))[: turns * examples]
        dataset = dataset.select(order[np.argsort(np.array(dataset.labels)[order] // 2, kind="stable")])
        started = time.perf_counter()
        address = scope.kafka if trial.arm == "kafka" else None
        measured = growth_ratio if trial.arm == "growth" else partial(daemon_ratios, kafka=address)
        for metric, value, speed in measured(dataset, fixture, turns=turns, seed=trial.seed):
            seconds = round(time.perf_counter() - started, 2)
            yield Row(trial.arm, 62_720, 0, 0, trial.seed, metric, value, None, seconds, speed)


def daemon_ratios(
    dataset: Dataset, fixture: Fixture, *, turns: int, seed: int, kafka: str | None
) -> Iterator[tuple[str, float, float]]:
    """(metric, ratio, examples/s of the daemon) to the bare loop and to the method's observe alone."""
    turn_examples = len(dataset.labels) // turns // BATCH * BATCH
    images = torch.from_numpy(dataset.images)[:, None]
    labels = torch.tensor([int(label) for label in dataset.labels])
    bare = BareSteps(seed=seed)
    messages = fixture.messages(dataset)
    with fixture.daemon({**SETTINGS, "seed": seed}, messages) as daemon:
        source = TurnSource(fixture.build_kafka_source(messages, kafka) if kafka else daemon.state.source)
        daemon.state.intake.source = source
        daemon.serving.start()
        source.open(None)
        observer = None
        speeds: dict[str, list[float]] = {"daemon": [], "bare": [], "observe": []}
        for turn in range(turns):
            part = slice(turn * turn_examples, (turn + 1) * turn_examples)
            part_and_labels = images[part], labels[part]
            source.left = turn_examples
            speeds["daemon"].append(turn_examples / seconds_of(partial(run_turn, daemon, source)))
            speeds["bare"].append(turn_examples / seconds_of(partial(bare.learn, *part_and_labels)))
            observer = observer or daemon.learner.method.clone()
            speeds["observe"].append(
                turn_examples / seconds_of(partial(observe_all, observer, *part_and_labels))
            )
        daemon.close()
    speed = round(statistics.median(speeds["daemon"]), 1)
    for other in ("bare", "observe"):
        ratios = [ours / theirs for ours, theirs in zip(speeds["daemon"], speeds[other], strict=True)][1:]
        yield f"ratio_to_{other}", statistics.median(ratios), speed


class BareSteps:
    """The same optimiser steps on ready tensors and nothing else, as a researcher's script would have
    them."""

    def __init__(self, *, seed: int) -> None:
        self.network: nn.Module = lenet(input_shape=(1, 28, 28))
        self.average = lenet(input_shape=(1, 28, 28)).requires_grad_(False)
        self.optimiser = torch.optim.SGD(self.network.parameters(), lr=0.05)
        self.augmentation = Augmentation(shift_pixels=2, rotation_degrees=12.0, scaling=0.1, flip=False)
        self.generator = torch.Generator().manual_seed(seed)
        self.old = torch.rand(600, 1, 28, 28, generator=self.generator)
        self.old_labels = torch.randint(10, (600,), generator=self.generator)

    def learn(self, images: Tensor, labels: Tensor) -> None:
        for start in range(0, len(labels), BATCH):
            self.step(images[start : start + BATCH].float() / 255, labels[start : start + BATCH])

    def step(self, new: Tensor, labels: Tensor) -> None:
        drawn = torch.randint(len(self.old), (12,), generator=self.generator)
        old = self.augmentation(self.old[drawn], generator=self.generator)
        logits = self.network(torch.cat([new, old]))[:, :10]
        absent = torch.ones(10, dtype=torch.bool)
        absent[labels] = False
        loss = F.cross_entropy(logits[:BATCH].masked_fill(absent, -torch.inf), labels)
        loss = loss + F.cross_entropy(logits[BATCH:], self.old_labels[drawn])
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        with torch.no_grad():
            torch._foreach_lerp_(list(self.average.parameters()), list(self.network.parameters()), 0.005)


def observe_all(method: Any, images: Tensor, labels: Tensor) -> None:
    for start in range(0, len(labels), BATCH):
        method.observe(Experience(inputs=images[start : start + BATCH], labels=labels[start : start + BATCH]))


def growth_ratio(
    dataset: Dataset, fixture: Fixture, *, turns: int, seed: int
) -> Iterator[tuple[str, float, float]]:
    """(metric, ratio, examples/s): seconds of observe with 10 times the codes and classes over those with
    few."""
    images = torch.from_numpy(dataset.images)[:, None]
    methods = {}
    for name, budget, classes in (("few", 62_720, 10), ("many", 690_000, 100)):
        labels = torch.arange(len(images)) % classes
        settings = {**SETTINGS, "memory.budget_bits": budget, "association.code_bits": 100, "seed": seed}
        with fixture.daemon(settings, fixture.messages(dataset.select(np.arange(BATCH)))) as daemon:
            daemon.run()
            method = daemon.learner.method
            observe_all(method, images[: classes * BATCH], labels[: classes * BATCH])
            fill(method, images, labels)
            methods[name] = (method, labels)
    ratios = []
    turn_examples = min(1_000, len(images))
    speed = 0.0
    for _ in range(turns):
        few, many = (
            seconds_of(partial(observe_all, method, images[:turn_examples], labels[:turn_examples]))
            for method, labels in methods.values()
        )
        ratios.append(many / few)
        speed = turn_examples / few
    yield "step_cost_10x_codes_10x_classes", statistics.median(ratios), round(speed, 1)


def fill(method: Any, images: Tensor, labels: Tensor) -> None:
    """Stores codes until the memory is full, without learning from them."""
    while not method.fullness:
        for part in torch.split(torch.arange(len(images)), 500):
            method.memory.insert(method.association.encode(images[part].float() / 255), labels[part])


THROUGHPUT = Throughput()
