"""A gate is trained until a student of new classes alone represents what a teacher of all does."""

from __future__ import annotations

import pytest
import torch
from sklearn.datasets import load_digits
from torch.nn import functional as F

from streamlearner.gates.meta_learning import (
    DrawTask,
    EpisodeTasks,
    GateTraining,
    LabelledBatch,
    Student,
    meta_train,
    task_cross_entropy,
)
from streamlearner.gates.update_gate import UpdateGate
from streamlearner.networks.base import Network, sgd_step
from streamlearner.networks.by_name import mlp
from streamlearner.networks.refused_steps import REFUSED

IMAGES = (load_digits().images * 15).astype("uint8")
LABELS = load_digits().target.tolist()


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def draw(*digits: int, seed: int) -> DrawTask:
    chosen = torch.isin(torch.tensor(LABELS), torch.tensor(digits))
    inputs = torch.from_numpy(IMAGES)[chosen][:, None].float() / 255
    labels, rng = torch.tensor(LABELS)[chosen], torch.Generator().manual_seed(seed)

    def drawn(n: int) -> LabelledBatch:
        places = torch.randint(len(labels), (n,), generator=rng)
        return LabelledBatch(inputs[places], labels[places])

    return drawn


def knows_old() -> Network:
    """A small network that learned digits 0 to 4."""
    torch.manual_seed(0)
    network, old = mlp(input_shape=(1, 8, 8), hidden=(16,)), draw(0, 1, 2, 3, 4, seed=1)
    for _ in range(150):
        drawn = old(32)
        loss = task_cross_entropy(network(drawn.inputs), drawn.labels)
        loss.backward()  # type: ignore[no-untyped-call]
        sgd_step(network, learning_rate=0.2, loss=float(loss.detach()))
    return network


def training(**changed: float | str) -> GateTraining:
    settings = {"episodes": 40, "steps": 20, "batch_size": 16, "inner_rate": 0.2, "outer_rate": 3e-3}
    return GateTraining(**(settings | {"horizon": 10, "min_threshold": 1e6, "max_threshold": 1e6} | changed))  # type: ignore[arg-type]


def episode_tasks(network: Network, *, seed: int) -> EpisodeTasks:
    return EpisodeTasks(network, draw(0, 1, 2, 3, 4, seed=seed), draw(5, 6, 7, 8, 9, seed=seed + 1))


def student_loss(network: Network, gate: UpdateGate, target: str) -> float:
    """Mean loss over three episodes that are the same each time; the gate does not move."""
    held = training(episodes=3, steps=150, outer_rate=0.0, own_rate=0.0, target=target)
    return (
        sum(
            e.loss
            for e in meta_train(gate, episode_tasks=lambda i: episode_tasks(network, seed=i), training=held)
        )
        / 3
    )


@pytest.mark.parametrize(
    ("target", "each_weight", "episodes", "at_most"),
    [("readout", True, 8, 0.985), ("representation", True, 8, 0.6), ("representation", False, 20, 0.9)],
)
def test_training_brings_the_student_nearer_to_its_target(
    target: str, each_weight: bool, episodes: int, at_most: float
) -> None:
    network = knows_old()
    torch.manual_seed(1)
    gate = UpdateGate(network, hidden=8, each_weight=each_weight)
    before = student_loss(network, gate, target)
    way = training(episodes=episodes, steps=150, target=target)
    for _ in meta_train(gate, episode_tasks=lambda i: episode_tasks(network, seed=100 + i), training=way):
        pass
    assert student_loss(network, gate, target) < at_most * before


def test_training_leaves_the_network_as_it_was_and_goes_the_same_way_each_time() -> None:
    network, gates = knows_old(), []
    before = [weight.clone() for weight in network.weights]
    for _ in range(2):
        torch.manual_seed(1)
        gate = UpdateGate(network, hidden=4)
        list(
            meta_train(
                gate,
                episode_tasks=lambda i: episode_tasks(network, seed=i),
                training=training(episodes=2),
            )
        )
        gates.append([weight.detach().clone() for weight in gate.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(before, network.weights, strict=True))
    assert all(torch.equal(a, b) for a, b in zip(*gates, strict=True))


def test_an_episode_ends_where_the_student_has_strayed() -> None:
    network = knows_old()
    gate = UpdateGate(network, hidden=4)
    strict = training(episodes=1, min_threshold=1e-9, max_threshold=1e-9)
    (episode,) = meta_train(gate, episode_tasks=lambda i: episode_tasks(network, seed=i), training=strict)
    assert episode.steps == 1
    (whole,) = meta_train(
        gate, episode_tasks=lambda i: episode_tasks(network, seed=i), training=training(episodes=1)
    )
    assert whole.steps == 20


def test_the_curriculum_rises_in_four_parts() -> None:
    rising = training(min_threshold=20.0, max_threshold=35.0, min_truncation=5, max_truncation=11)
    assert [rising.threshold_and_truncation(episode) for episode in (0, 9, 10, 20, 39)] == [
        (20.0, 5), (20.0, 5), (25.0, 7), (30.0, 9), (35.0, 11)
    ]  # fmt: skip


def test_a_student_with_an_untrained_gate_learns_as_by_plain_descent() -> None:
    network = knows_old()
    plain, student = knows_old(), Student(network, UpdateGate(network, hidden=4))
    drawn = draw(5, 6, seed=3)(16)
    student.learn(drawn, learning_rate=0.1)
    task_cross_entropy(plain(drawn.inputs), drawn.labels).backward()  # type: ignore[no-untyped-call]
    sgd_step(plain, learning_rate=0.1, loss=0.0)
    for name, weight in plain.body.named_parameters():
        assert torch.allclose(student.weights[name], weight, atol=1e-6)
    assert torch.allclose(student.network.head.weight, plain.head.weight, atol=1e-6)


def test_a_task_is_answered_among_its_own_classes() -> None:
    logits = torch.tensor([[9.0, 1.0, 2.0], [9.0, 2.0, 1.0]])
    expected = F.cross_entropy(logits[:, 1:], torch.tensor([1, 0]))
    assert torch.allclose(task_cross_entropy(logits, torch.tensor([2, 1])), expected)


def test_a_step_of_the_gate_that_is_not_finite_is_not_taken_and_counted() -> None:
    network = knows_old()
    gate, refused = UpdateGate(network, hidden=4), REFUSED.count
    before = [weight.detach().clone() for weight in gate.parameters()]
    absurd = EpisodeTasks(
        network,
        draw(0, 1, seed=3),
        lambda n: LabelledBatch(torch.full((n, 1, 8, 8), torch.inf), torch.full((n,), 5)),
    )
    (episode,) = meta_train(gate, episode_tasks=lambda _: absurd, training=training(episodes=1))
    assert episode.steps == 1 and REFUSED.count > refused
    assert all(weight.equal(was) for weight, was in zip(gate.parameters(), before, strict=True))
