"""`bench run peers`: who takes part, what each may keep, and how speeds are compared."""

from __future__ import annotations

import importlib.util
import itertools
from pathlib import Path

import pytest
import torch
from torch import Tensor

from streamlearner.bench.experiments import peers
from streamlearner.bench.experiments.peers import LEARNERS, PEERS
from streamlearner.bench.kit.experiment import Scope, Trial
from streamlearner.bench.kit.fixture import Fixture
from streamlearner.bench.peers.mammoth import (
    AS_MAMMOTH,
    PACKED,
    AsymmetricReplay,
    DarkReplay,
    ExperienceReplay,
    Items,
    PeerNetwork,
    Reservoir,
    Storage,
)
from streamlearner.bench.peers.ours import ours
from streamlearner.bench.peers.speed import BareReplay, learn_in_turns
from streamlearner.decoding.codec import Schema
from tests.support.tiny_bench import TinyBench, dataset

QUICK = Scope(seeds=1, budgets_bits=(20_000,), quick=True)
BUDGET = 20_000
OWN_LEARNERS = [arm for arm in LEARNERS if not arm.startswith("avalanche_")]
HAS_AVALANCHE = importlib.util.find_spec("avalanche") is not None
needs_avalanche = pytest.mark.skipif(not HAS_AVALANCHE, reason="avalanche-lib is not installed")


def fixture() -> Fixture:
    return TinyBench()(data=Path("nowhere"), download=False)


def stream() -> tuple[Tensor, Tensor]:
    """120 images [n, 1, 28, 28] uint8 of ten classes, in turn, with their labels."""
    found = dataset("MNIST", True)
    return torch.from_numpy(found.images)[:, None], torch.tensor([int(label) for label in found.labels])


def reservoir(*, budget_bits: int, storage: Storage = PACKED, logits: int = 0, seed: int = 0) -> Reservoir:
    generator = torch.Generator().manual_seed(seed)
    return Reservoir(budget_bits=budget_bits, storage=storage, logits=logits, generator=generator)


def items() -> Items:
    images, labels = stream()
    return Items(images.float() / 255, labels, torch.arange(1_200.0).view(120, 10))


def head(learner: PeerNetwork) -> Tensor:
    return learner.network.get_parameter("head.weight")


# what is kept


@pytest.mark.parametrize("storage", [PACKED, AS_MAMMOTH])
@pytest.mark.parametrize("logits", [0, 10])
def test_a_reservoir_counts_every_bit_that_it_holds_and_stays_in_the_budget(
    storage: Storage, logits: int
) -> None:
    memory = reservoir(budget_bits=100_000, storage=storage, logits=logits)
    memory.insert(items())
    held = sum(8 * t.numel() * t.element_size() for t in (memory.images, memory.labels, memory.logits))
    assert memory.stored_bits == held <= 100_000 < held + storage.item_bits(logits=logits)


def test_float32_items_are_a_quarter_of_as_many() -> None:
    assert reservoir(budget_bits=627_200).capacity == 99
    assert reservoir(budget_bits=627_200, storage=AS_MAMMOTH).capacity == 24
    assert reservoir(budget_bits=627_200, logits=10).capacity == 95


def test_a_packed_item_comes_back_as_it_was() -> None:
    memory, given = reservoir(budget_bits=1_000_000, logits=10), items()
    memory.insert(given)
    drawn = memory.sample(120)
    for image, label, logits in zip(*drawn, strict=True):
        row = int(logits[0]) // 10
        assert torch.equal(image, given.images[row])
        assert (label, logits.tolist()) == (given.labels[row], given.logits[row].tolist())


def test_a_reservoir_and_the_bare_loop_keep_every_item_equally_often() -> None:
    images = torch.arange(30, dtype=torch.uint8)[:, None, None, None].expand(30, 1, 28, 28)
    labels = torch.zeros(30, dtype=torch.int64)
    bare = BareReplay(budget_bits=6 * PACKED.item_bits(), seed=0, learning_rate=0.1)
    counts = torch.zeros(2, 30)
    for seed in range(80):
        memory = reservoir(budget_bits=6 * PACKED.item_bits(), seed=seed)
        memory.insert(Items(images / 255, labels, torch.zeros(30, 0)))
        bare.seen = 0
        for part in torch.split(images, 10):
            bare._remember(part, labels[: len(part)])
        for row, kept in enumerate((memory, bare)):
            counts[row, kept.images[:, 0, 0, 0].long()] += 1
    proportions = counts.view(2, 3, 10).sum(2) / (80 * 6)  # of the first, second and last ten
    assert torch.allclose(counts[0].sum(), torch.tensor(480.0))
    assert (proportions - 1 / 3).abs().max() < 0.07  # three standard deviations


# how each learns


def test_er_ace_leaves_absent_classes_alone_and_er_pushes_them_down() -> None:
    images, labels = stream()
    chosen = labels < 2
    moved = {}
    for method in (ExperienceReplay, AsymmetricReplay):
        learner = method(budget_bits=BUDGET, seed=0, learning_rate=0.1)
        learner.learn(images[chosen][:10], labels[chosen][:10])
        moved[method] = head(learner).detach().abs().sum(1)
    assert moved[AsymmetricReplay][:2].min() > 0 == moved[AsymmetricReplay][2:].max()
    assert moved[ExperienceReplay][:10].min() > 0


def test_derpp_remembers_what_it_predicted_before_the_step() -> None:
    images, labels = stream()
    learner = DarkReplay(budget_bits=1_000_000, seed=0, learning_rate=0.1)
    learner.learn(images[:10], labels[:10])
    with torch.no_grad():
        before = learner.logits(images[10:20] / 255)
    learner.learn(images[10:20], labels[10:20])
    assert torch.allclose(learner.memory.logits[10:20], before, atol=1e-6)
    assert before.abs().max() > 0


@pytest.mark.parametrize("arm", OWN_LEARNERS)
def test_every_reference_learner_learns_the_same_way_twice_and_rightly(arm: str) -> None:
    images, labels = stream()
    twins = [LEARNERS[arm](budget_bits=400_000, seed=0, learning_rate=0.1) for _ in range(2)]
    state = torch.get_rng_state()
    for twin, _ in itertools.product(twins, range(6)):
        twin.learn(images, labels)
    assert torch.equal(torch.get_rng_state(), state)
    answers = [twin.predict(images) for twin in twins]
    assert torch.equal(*answers)
    assert (answers[0] == labels).float().mean() > 0.8
    assert 0 < twins[0].stored_bits <= 400_000


def test_all_begin_with_the_weights_of_the_daemon() -> None:
    bench = fixture()
    with ours(dataset("MNIST", True), bench, budget_bits=BUDGET, seed=3, learning_rate=0.1) as daemon:
        learner = daemon.daemon.state.learner_factory(Schema(shape=(1, 28, 28), dtype="uint8"))
        daemons = dict(learner.method.hippocampus.network.named_parameters())
    peer = dict(PeerNetwork(seed=3).network.named_parameters())
    assert daemons.keys() == peer.keys()
    assert all(torch.equal(daemons[name], peer[name]) for name in peer)


# the experiment


@pytest.mark.parametrize("arm", ["ours", "bare_loop", "derpp_float32"])
def test_an_arm_has_an_accuracy_and_a_speed_inside_its_bits(arm: str) -> None:
    rows = list(PEERS.run(Trial(arm, 200_000, 0), fixture=fixture(), scope=QUICK))
    assert [row.metric for row in rows] == ["accuracy", "speed_against_bare_loop"]
    assert 0.1 <= rows[0].value <= 1
    assert 0 < rows[1].value < 20
    assert all(0 < row.stored_bits <= 200_000 < row.parameter_bits for row in rows)


def test_the_daemon_learns_the_whole_stream_though_it_comes_in_parts() -> None:
    found = dataset("MNIST", True)
    images, labels = stream()
    with ours(found, fixture(), budget_bits=BUDGET, seed=0, learning_rate=0.1) as candidate:
        learn_in_turns(candidate, BareReplay(budget_bits=BUDGET, seed=0, learning_rate=0.1), images, labels)
        progress = candidate.daemon.learner.progress
        assert progress.learned + progress.withheld == len(labels)
        assert candidate.predict(images[:7]).shape == (7,)


class Notes(PeerNetwork):
    """Writes down what it is given."""

    stored_bits = 0

    def __init__(self) -> None:
        super().__init__(seed=0)
        self.given: list[list[int]] = []

    def learn(self, images: Tensor, labels: Tensor) -> None:
        self.given.append(labels.tolist())
        float((torch.rand(300, 300, generator=torch.Generator()) ** 2).sum())


def test_the_baseline_learns_the_first_fifth_of_each_part() -> None:
    arm, baseline = Notes(), Notes()
    labels = torch.arange(990)
    learn_in_turns(arm, baseline, torch.zeros(990, 1, 28, 28, dtype=torch.uint8), labels)
    assert [*itertools.chain(*arm.given)] == labels.tolist()
    assert len(arm.given) == 10
    assert baseline.given == [part[:20] for part in arm.given]


def test_every_implementation_of_a_method_learns_at_the_same_rate() -> None:
    assert {peers.method_of(arm) for arm in (*LEARNERS, "ours")} == PEERS.learning_rates.keys()
    assert len({peers.method_of(arm) for arm in ("er", "bare_loop", "er_float32", "avalanche_er")}) == 1
    assert set(PEERS.learning_rates.values()) <= set(peers.GRID)


def test_arms_of_a_peer_that_is_not_installed_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "is_installed", lambda: False)
    there = {trial.arm for trial in PEERS.trials(QUICK)}
    assert there == {"ours", *OWN_LEARNERS}
    monkeypatch.setattr(peers, "is_installed", lambda: True)
    assert {trial.arm for trial in PEERS.trials(QUICK)} - there == {
        "avalanche_er", "avalanche_er_ace", "avalanche_derpp",
    }  # fmt: skip
    assert "left out where it is not installed" in PEERS.protocol


@needs_avalanche
@pytest.mark.parametrize("arm", ["avalanche_er", "avalanche_er_ace", "avalanche_derpp"])
def test_avalanche_learns_inside_its_bits_and_gives_the_generator_back(arm: str) -> None:
    images, labels = stream()
    learner = LEARNERS[arm](budget_bits=400_000, seed=0, learning_rate=0.1)
    state = torch.get_rng_state()
    for _ in range(6):
        learner.learn(images, labels)
    assert torch.equal(torch.get_rng_state(), state)
    assert (learner.predict(images) == labels).float().mean() > 0.8
    assert 300_000 < learner.stored_bits <= 400_000
