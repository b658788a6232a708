"""The transfer experiment's active sampling: of several recollections drawn, the hardest for the student."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from streamlearner.bench.material.transfer import SgdSettings, hardest, train
from streamlearner.networks.base import Network
from streamlearner.networks.by_name import build_network
from streamlearner.networks.distillation import DrawTargets, distill

SHAPE = (1, 16, 16)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def make(name: str = "mlp") -> Network:
    return build_network(name=name, input_shape=SHAPE, generator=torch.Generator().manual_seed(1))


def drawing() -> DrawTargets:
    """Noise with one bright row, and which of ten it is."""
    generator = torch.Generator().manual_seed(0)

    def draw(n: int) -> tuple[Tensor, Tensor]:
        labels = torch.randint(10, (n,), generator=generator)
        images = 0.3 * torch.rand((n, *SHAPE), generator=generator)
        images[torch.arange(n), 0, labels + 3] += 0.7
        return images, F.one_hot(labels, 10).float()

    return draw


def trained(student: Network, *, steps: int, candidates: int) -> Network:
    sgd = SgdSettings(batch_size=16, learning_rate=student.learning_rate)
    train(student, drawing(), sgd=sgd, examples=16 * steps, candidates=candidates)
    return student


def same(one: Network, other: Network) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.weights, other.weights, strict=True))


def test_a_student_learns_from_the_hardest() -> None:
    student = trained(make(), steps=120, candidates=4)
    images, targets = drawing()(400)
    with torch.no_grad():
        assert float((student.eval()(images).argmax(1) == targets.argmax(1)).float().mean()) > 0.9


def test_it_learns_the_hardest_of_each_group_and_nothing_else() -> None:
    easy, hard = torch.zeros(1, *SHAPE), torch.ones(1, *SHAPE)
    student = make()
    student.head.bias.data[0] = 3.0  # sure of class 0, so class 1 is the hard one
    inputs = torch.cat([easy, hard, easy, easy, hard, easy])
    targets = F.one_hot(torch.tensor([0, 1, 0, 0, 1, 0]), 2).float()
    other = copy.deepcopy(student)
    step(student, hardest(student, only(inputs, targets), candidates=3))
    step(other, only(inputs[[1, 4]], targets[[1, 4]]))
    assert same(student, other)


def only(inputs: Tensor, targets: Tensor) -> DrawTargets:
    """These, and no others."""

    def draw(n: int) -> tuple[Tensor, Tensor]:
        assert n == len(inputs)
        return inputs, targets

    return draw


def step(student: Network, draw: DrawTargets) -> None:
    list(distill(student, draw=draw, steps=1, batch_size=2, learning_rate=0.1))


def test_the_same_draws_end_in_the_same_bits() -> None:
    assert same(*(trained(make("lenet"), steps=5, candidates=4) for _ in range(2)))


def test_looking_for_the_hardest_leaves_batch_statistics_as_learning_alone_makes_them() -> None:
    student = trained(make("resnet18_reduced"), steps=3, candidates=3)
    counts = [int(value) for name, value in student.named_buffers() if name.endswith("num_batches_tracked")]
    assert counts and set(counts) == {3}
