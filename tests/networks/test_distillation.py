"""A student of another architecture learns from recollections what its teacher answers."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from streamlearner.networks.base import HEAD_BLOCK, Network
from streamlearner.networks.by_name import build
from streamlearner.networks.distillation import teach

SHAPE = (1, 16, 16)
Draw = Callable[[int], tuple[Tensor, Tensor]]


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def chance(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def make(name: str = "mlp", seed: int = 1) -> Network:
    return build(name=name, input_shape=SHAPE, generator=chance(seed))


def pictures(n: int, *, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Noise with one bright row, and which of ten it is."""
    labels = torch.randint(10, (n,), generator=generator)
    images = 0.3 * torch.rand((n, *SHAPE), generator=generator)
    images[torch.arange(n), 0, labels + 3] += 0.7
    return images, labels


def drawing(*, seed: int = 0, rows: int = 10) -> Draw:
    source = chance(seed)

    def draw(n: int) -> tuple[Tensor, Tensor]:
        images, labels = pictures(n, generator=source)
        return images, F.one_hot(labels, rows).float() * 0.9 + 0.1 / rows

    return draw


def taught(student: Network, *, draw: Draw | None = None, steps: int = 60, candidates: int = 1) -> Network:
    lessons = teach(
        student,
        draw=draw or drawing(),
        steps=steps,
        batch_size=16,
        learning_rate=student.learning_rate,
        candidates=candidates,
    )
    assert len(list(lessons)) == steps
    return student


def accuracy(student: Network) -> float:
    images, labels = pictures(400, generator=chance(99))
    with torch.no_grad():
        return float((student.eval()(images).argmax(1) == labels).float().mean())


def same(one: Network, other: Network) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.weights, other.weights, strict=True))


@pytest.mark.parametrize(
    ("name", "candidates", "steps"),
    [("mlp", 1, 120), ("mlp", 4, 120), ("lenet", 1, 500), ("resnet18_reduced", 1, 40)],
)
def test_a_student_of_any_architecture_comes_to_answer_as_it_is_told(
    name: str, candidates: int, steps: int
) -> None:
    assert accuracy(taught(make(name), steps=steps, candidates=candidates)) > 0.9


def test_a_student_learns_how_sure_its_teacher_is() -> None:
    images = torch.rand((1, *SHAPE), generator=chance())
    told = torch.tensor([[0.6, 0.3, 0.1]])
    student = taught(make(), draw=lambda n: (images.expand(n, -1, -1, -1), told.expand(n, -1)), steps=300)
    with torch.no_grad():
        assert torch.allclose(student(images)[:, :3].softmax(1), told, atol=0.03)


@pytest.mark.parametrize("candidates", [1, 4])
def test_the_same_draws_end_in_the_same_bits_and_leave_the_global_generator_alone(candidates: int) -> None:
    before = torch.get_rng_state()
    first = taught(make("lenet"), steps=5, candidates=candidates)
    torch.rand(3)
    torch.set_rng_state(before)
    second = taught(make("lenet"), steps=5, candidates=candidates)
    assert same(first, second)
    assert torch.equal(torch.get_rng_state(), before)


def test_active_sampling_learns_the_hardest_of_each_group_and_nothing_else() -> None:
    easy, hard = torch.zeros(1, *SHAPE), torch.ones(1, *SHAPE)
    student = make()
    student.head.bias.data[0] = 3.0  # sure of class 0, so class 1 is the hard one
    inputs = torch.cat([easy, hard, easy, easy, hard, easy])
    targets = F.one_hot(torch.tensor([0, 1, 0, 0, 1, 0]), 2).float()
    told = copy.deepcopy(student)
    one_lesson(student, inputs, targets, candidates=3)
    one_lesson(told, inputs[[1, 4]], targets[[1, 4]], candidates=1)
    assert same(student, told)


def one_lesson(student: Network, inputs: Tensor, targets: Tensor, *, candidates: int) -> None:
    """One step of two recollections, of these inputs and no others."""

    def draw(n: int) -> tuple[Tensor, Tensor]:
        assert n == len(inputs)
        return inputs, targets

    list(teach(student, draw=draw, steps=1, batch_size=2, learning_rate=0.1, candidates=candidates))


def test_looking_for_the_hardest_leaves_batch_statistics_as_learning_alone_makes_them() -> None:
    student = taught(make("resnet18_reduced"), steps=3, candidates=3)
    counts = [int(value) for name, value in student.named_buffers() if name.endswith("num_batches_tracked")]
    assert counts and set(counts) == {3}


def test_steps_shrink_to_nothing_at_the_end() -> None:
    student, moved = make(), []
    before = [weight.detach().clone() for weight in student.weights]
    for _ in teach(student, draw=drawing(), steps=20, batch_size=16, learning_rate=0.01):
        moved.append(
            max(float((w.detach() - b).abs().max()) for w, b in zip(student.weights, before, strict=True))
        )
        before = [weight.detach().clone() for weight in student.weights]
    assert moved[-1] < 0.2 * moved[0]


def test_a_head_grows_to_what_it_is_taught() -> None:
    student = taught(make(), draw=drawing(rows=HEAD_BLOCK + 2), steps=1)
    assert student.head.rows == 2 * HEAD_BLOCK


def test_a_class_that_nobody_taught_still_starts_from_nothing() -> None:
    head = taught(make(), draw=drawing(rows=10), steps=5).head
    assert head.weight[:10].any() and not head.weight[10:].any() and not head.bias[10:].any()


def test_a_student_is_taught_only_as_far_as_its_teacher_is_asked() -> None:
    """The daemon takes a step now and then, between wake batches."""
    student = make()
    lessons = teach(student, draw=drawing(), steps=10, batch_size=4, learning_rate=0.1)
    untouched = copy.deepcopy(student)
    assert same(student, untouched)
    next(lessons)
    once = copy.deepcopy(student)
    assert not same(once, untouched)
    next(lessons)
    assert not same(student, once)


@pytest.mark.parametrize(
    "wrong", [{"steps": 0}, {"batch_size": 0}, {"candidates": 0}, {"learning_rate": 0.0}]
)
def test_what_cannot_be_taught_is_refused_at_once(wrong: dict[str, int]) -> None:
    usual = {"steps": 1, "batch_size": 1, "candidates": 1, "learning_rate": 0.1}
    with pytest.raises(ValueError, match=next(iter(wrong))):
        teach(make(), draw=drawing(), **(usual | wrong))  # type: ignore[arg-type]
