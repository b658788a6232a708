"""Two tasks one after the other: every rule learns the same second task, and probes tell what is left."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

from streamlearner.bench import report
from streamlearner.bench.catalogue import EXPERIMENTS
from streamlearner.bench.experiments.readout_pairs import CIFAR10_READOUT, MNIST_READOUT, Readout
from streamlearner.bench.kit.experiment import Scope, Trial
from streamlearner.bench.kit.fixture import Dataset
from streamlearner.bench.kit.results import Result
from streamlearner.bench.material.readout import (
    Pair,
    Task,
    ewc,
    freeze,
    lwf,
    pretrained_network,
    probe_accuracy,
    readout_accuracy,
    sgd,
)
from streamlearner.networks.base import Network
from tests.support.tiny_bench import TinyBench, dataset

QUICK = Scope(seeds=1, budgets_bits=None, quick=True)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def task(train: bool = True) -> Task:
    found = dataset("MNIST", train)
    images = torch.from_numpy(found.images)[:, None].float() / 255
    return Task(images, torch.tensor([int(label) for label in found.labels]))


@pytest.fixture(scope="module")
def network() -> Network:
    return pretrained_network(task().of((0, 1, 2, 3, 4)), seed=0, steps=60, learning_rate=0.1)


def moved(one: Network, other: Network) -> float:
    pairs = zip(one.weights, other.weights, strict=True)
    return float(torch.stack([(a - b).square().sum() for a, b in pairs]).sum())


@pytest.mark.parametrize("readout", [MNIST_READOUT, CIFAR10_READOUT], ids=lambda readout: readout.name)
def test_every_arm_is_a_trial_and_ours_trains_a_gate_of_its_own(readout: Readout) -> None:
    arms = [trial.arm for trial in readout.trials(QUICK)]
    assert arms == ["freeze", "sgd", "sgd_tenth", "lwf", "ewc", "teacher", "ours", "gate_outputs"]
    bench = TinyBench()(data=Path("nowhere"), download=False)
    rows = list(readout.run(Trial("ours", 0, 0), fixture=bench, scope=QUICK))
    assert [row.metric for row in rows] == [
        f"readout_{part}{suffix}" for suffix in ("", "_unseen") for part in ("joint", "old", "new")
    ]
    assert all(0.0 <= row.value <= 1.0 for row in rows)


def test_what_was_pretrained_is_left_as_it_was_whatever_learns_from_it(network: Network) -> None:
    before = [weight.clone() for weight in network.weights]
    old, new = task().of((0, 1)).draw(rng()), task().of((5, 6)).draw(rng())
    for learn in (freeze, sgd, lwf(1.0), ewc(10.0)):
        learn(network, old, new, steps=2, learning_rate=0.1)
    assert all(torch.equal(a, b) for a, b in zip(before, network.weights, strict=True))


def test_where_there_is_no_test_file_what_is_tested_on_was_kept_from_training() -> None:
    asked: list[tuple[str, bool]] = []

    def load(name: str, train: bool, most: int | None = None) -> Dataset:
        asked.append((name, train))
        return dataset(name, train, most)

    bench = dataclasses.replace(TinyBench()(data=Path("nowhere"), download=False), load_dataset=load)
    training, test = CIFAR10_READOUT._training_and_test(bench, QUICK)
    assert asked == [("CIFAR10", True)]
    assert len(training.labels) == 4 * len(test.labels) > 0
    known = {image.tobytes() for image in training.images}
    assert not known & {image.tobytes() for image in test.images}


def rng() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_held_weights_move_less(network: Network) -> None:
    def learned(weight: float) -> Network:
        old, new = task().of((0, 1, 2, 3, 4)).draw(rng()), task().of((5, 6)).draw(rng())
        return ewc(weight)(network, old, new, steps=20, learning_rate=0.05)

    assert moved(learned(30.0), network) < moved(learned(0.0), network)


def test_a_probe_tells_tasks_apart_by_features_alone(network: Network) -> None:
    old = Pair(task().of((0, 1)), task().of((5,)), task(False).of((0, 1)), task(False).of((5,)))
    assert set(old.measured(network)) == {"joint", "old", "new"}
    assert probe_accuracy(network, task().of((0, 1)), task(False).of((0, 1))) > 0.9


def test_halves_share_no_example() -> None:
    whole = task()
    first, second = whole.half(0), whole.half(1)
    assert len(first.labels) + len(second.labels) == len(whole.labels)
    seen = {image.numpy().tobytes() for image in first.images}
    assert not seen & {image.numpy().tobytes() for image in second.images}


def test_a_probe_without_examples_is_an_error() -> None:
    with pytest.raises(ValueError, match="0 examples to train a probe on"):
        readout_accuracy(
            torch.zeros(0, 3),
            torch.zeros(0),
            test_features=torch.zeros(1, 3),
            test_labels=torch.zeros(1),
        )


def test_a_probe_answers_for_examples_that_it_did_not_see() -> None:
    features = torch.randn(200, 5, generator=rng())
    labels = (features[:, 0] > 0).long() * 3
    value = readout_accuracy(
        features[:100], labels[:100], test_features=features[100:], test_labels=labels[100:]
    )
    assert value > 0.85


def test_what_a_gate_gives_is_told_in_shares_and_drawn(tmp_path: Path) -> None:
    bench = TinyBench()(data=Path("nowhere"), download=False)
    rows = list(MNIST_READOUT.run(Trial("gate_outputs", 0, 0), fixture=bench, scope=QUICK))
    values = {row.metric: row.value for row in rows}
    for layer in (1, 2, 3):
        proportions = [values[f"share_of_layer_{layer}_at_{place}"] for place in range(60)]
        assert sum(proportions) == pytest.approx(1.0)
        assert values[f"mean_of_layer_{layer}"] == pytest.approx(1.0, abs=0.2)  # hardly trained
    result = Result(tmp_path, name=MNIST_READOUT.name, protocol=MNIST_READOUT.protocol, quick=True)
    more = [
        dataclasses.replace(rows[0], arm=arm, metric=f"readout_{part}", value=0.9)
        for arm in ("sgd", "ours")
        for part in ("joint", "old", "new")
    ]
    result.add([*rows, *more])
    assert {path.name for path in report.write(tmp_path, EXPERIMENTS)} == {"RESULTS.md", "mnist-readout.png"}
