"""A student of another architecture learns from recollections what its teacher answers."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from streamlearner.networks.base import Network
from streamlearner.networks.by_name import build_network
from streamlearner.networks.distillation import distill
from streamlearner.networks.head import HEAD_BLOCK

SHAPE = (1, 16, 16)
DrawTargets = Callable[[int], tuple[Tensor, Tensor]]


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def make(name: str = "mlp", seed: int = 1) -> Network:
    return build_network(name=name, input_shape=SHAPE, generator=rng(seed))


def pictures(n: int, *, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Noise with one bright row, and which of ten it is."""
    labels = torch.randint(10, (n,), generator=generator)
    images = 0.3 * torch.rand((n, *SHAPE), generator=generator)
    images[torch.arange(n), 0, labels + 3] += 0.7
    return images, labels


def drawing(*, seed: int = 0, rows: int = 10) -> DrawTargets:
    source = rng(seed)

    def draw(n: int) -> tuple[Tensor, Tensor]:
        images, labels = pictures(n, generator=source)
        return images, F.one_hot(labels, rows).float() * 0.9 + 0.1 / rows

    return draw


def distilled(student: Network, *, draw: DrawTargets | None = None, steps: int = 60) -> Network:
    remaining = distill(
        student,
        draw=draw or drawing(),
        steps=steps,
        batch_size=16,
        learning_rate=student.learning_rate,
    )
    assert len(list(remaining)) == steps
    return student


def accuracy(student: Network) -> float:
    images, labels = pictures(400, generator=rng(99))
    with torch.no_grad():
        return float((student.eval()(images).argmax(1) == labels).float().mean())


def same(one: Network, other: Network) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.weights, other.weights, strict=True))


@pytest.mark.parametrize(
    ("name", "steps"),
    [("mlp", 120), ("lenet", 500), ("resnet18_reduced", 40)],
)
def test_a_student_of_any_architecture_comes_to_answer_as_it_is_told(name: str, steps: int) -> None:
    assert accuracy(distilled(make(name), steps=steps)) > 0.9


def test_a_student_learns_how_sure_its_teacher_is() -> None:
    images = torch.rand((1, *SHAPE), generator=rng())
    targets = torch.tensor([[0.6, 0.3, 0.1]])
    student = distilled(
        make(), draw=lambda n: (images.expand(n, -1, -1, -1), targets.expand(n, -1)), steps=300
    )
    with torch.no_grad():
        assert torch.allclose(student(images)[:, :3].softmax(1), targets, atol=0.03)


def test_the_same_draws_end_in_the_same_bits_and_leave_the_global_generator_alone() -> None:
    before = torch.get_rng_state()
    first = distilled(make("lenet"), steps=5)
    torch.rand(3)
    torch.set_rng_state(before)
    second = distilled(make("lenet"), steps=5)
    assert same(first, second)
    assert torch.equal(torch.get_rng_state(), before)


def test_steps_shrink_to_nothing_at_the_end() -> None:
    student, moved = make(), []
    before = [weight.detach().clone() for weight in student.weights]
    for _ in distill(student, draw=drawing(), steps=20, batch_size=16, learning_rate=0.01):
        moved.append(
            max(float((w.detach() - b).abs().max()) for w, b in zip(student.weights, before, strict=True))
        )
        before = [weight.detach().clone() for weight in student.weights]
    assert moved[-1] < 0.2 * moved[0]


def test_a_head_grows_to_what_it_is_taught() -> None:
    student = distilled(make(), draw=drawing(rows=HEAD_BLOCK + 2), steps=1)
    assert student.head.rows == 2 * HEAD_BLOCK


def test_a_class_that_nobody_taught_still_starts_from_nothing() -> None:
    head = distilled(make(), draw=drawing(rows=10), steps=5).head
    assert head.weight[:10].any() and not head.weight[10:].any() and not head.bias[10:].any()


def test_a_student_is_taught_only_as_far_as_its_teacher_is_asked() -> None:
    """The daemon takes a step now and then, between wake batches."""
    student = make()
    remaining = distill(student, draw=drawing(), steps=10, batch_size=4, learning_rate=0.1)
    untouched = copy.deepcopy(student)
    assert same(student, untouched)
    next(remaining)
    once = copy.deepcopy(student)
    assert not same(once, untouched)
    next(remaining)
    assert not same(student, once)


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"batch_size": 0}, {"learning_rate": 0.0}])
def test_what_cannot_be_taught_is_refused_at_once(wrong: dict[str, int]) -> None:
    usual = {"steps": 1, "batch_size": 1, "learning_rate": 0.1}
    with pytest.raises(ValueError, match=next(iter(wrong))):
        distill(make(), draw=drawing(), **(usual | wrong))  # type: ignore[arg-type]
