"""What is learned again: which recollections, and against which classes."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from streamlearner.associations.lossless import RawAssociation
from streamlearner.memory.reservoir import RecollectionMemory
from streamlearner.methods.base import Experience
from streamlearner.methods.recalling import Recall, Recalled, asymmetric_cross_entropy
from streamlearner.methods.seen_classes import SeenClasses
from streamlearner.networks.base import Network
from streamlearner.networks.by_name import build_network

SHAPE = (1, 4, 4)
NONE = torch.full((6,), -1)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def experience(labels: list[int], tasks: list[int] | None = None) -> Experience:
    inputs = torch.randint(256, (len(labels), *SHAPE), generator=rng(5), dtype=torch.uint8)
    return Experience(inputs, torch.tensor(labels), None if tasks is None else torch.tensor(tasks))


def seen_classes(*experiences: Experience) -> SeenClasses:
    met = SeenClasses()
    for each in experiences:
        met.register(each.labels, each.tasks)
    return met


class Scene:
    """A memory of 40 raw inputs of five classes, and a student that is bad at class 3 alone."""

    def __init__(self) -> None:
        self.association = RawAssociation(input_shape=SHAPE, dtype=torch.uint8)
        self.memory = RecollectionMemory(
            budget_bits=20_000, radices=self.association.radices, generator=rng(1)
        )
        inputs = torch.rand(40, *SHAPE, generator=rng(2))
        self.memory.insert(self.association.encode(inputs), torch.arange(40) % 5)
        self.student: Network = build_network(name="mlp", input_shape=SHAPE, generator=rng(3))
        self.student.head.grow(5)
        with torch.no_grad():
            self.student.head.weight.zero_()
            self.student.head.bias[:5] = torch.tensor([0.0, 0.0, 0.0, -5.0, 0.0])

    def recall(self, new: Experience, *, recollections: int, views: int, candidates: int) -> Recalled:
        return Recall(recollections=recollections, views=views, candidates=candidates)(
            new,
            self.association.encode(new.inputs / 255.0),
            memory=self.memory,
            association=self.association,
            student=self.student,
            seen_classes=seen_classes(experience([0, 1, 2, 3, 4])),
        )


def test_views_are_the_first_of_the_new_with_their_own_labels_and_tasks() -> None:
    new = experience([4, 2, 0], tasks=[1, 0, 0])
    old = Scene().recall(new, recollections=6, views=2, candidates=1)
    assert len(old.inputs) == 8
    assert old.labels[6:].tolist() == [4, 2] and old.tasks.tolist() == [-1] * 6 + [1, 0]
    assert torch.allclose(old.inputs[6:], new.inputs[:2] / 255.0, atol=1e-6)


def test_active_sampling_takes_what_the_student_finds_hardest() -> None:
    scene, new = Scene(), experience([0])
    share = {
        candidates: sum(
            (scene.recall(new, recollections=6, views=0, candidates=candidates).labels == 3).sum().item()
            for _ in range(20)
        )
        / 120
        for candidates in (1, 5)
    }
    assert 0.1 < share[1] < 0.3  # a fifth of the memory is of the hard class
    assert 0.5 < share[5] < 0.85  # 1 - 0.8 ** 5 = 0.67


def test_active_sampling_leaves_the_student_as_it_was_and_in_training() -> None:
    scene = Scene()
    before = {name: tensor.clone() for name, tensor in scene.student.state_dict().items()}
    scene.student.train()
    scene.recall(experience([0]), recollections=6, views=0, candidates=5)
    assert scene.student.training
    assert all(torch.equal(before[name], tensor) for name, tensor in scene.student.state_dict().items())


def logits() -> Tensor:
    return torch.randn(8, 4, generator=rng(7))


def test_the_new_compete_inside_their_batch_and_the_old_among_all() -> None:
    new, old = experience([1, 3]), Recalled(torch.zeros(6, *SHAPE), torch.arange(6) % 4, NONE, 6)
    found = asymmetric_cross_entropy(
        logits(), new, old, seen_classes=seen_classes(experience([3])), targets=None
    )
    among_batch = F.cross_entropy(logits()[:2][:, [1, 3]], torch.tensor([0, 1]))
    assert torch.allclose(found, among_batch + F.cross_entropy(logits()[2:], old.labels))


def test_certain_targets_teach_as_labels_do_even_where_a_task_restricts() -> None:
    new = experience([1, 0], tasks=[0, 0])
    met = seen_classes(experience([0, 1, 2, 3], tasks=[0, 0, 1, 1]))
    old = Recalled(
        torch.zeros(6, *SHAPE), torch.tensor([0, 1, 2, 3, 0, 1]), torch.tensor([0, 0, 1, 1, 0, 0]), 6
    )
    by_label = asymmetric_cross_entropy(logits(), new, old, seen_classes=met, targets=None)
    certain = F.one_hot(old.labels, 4).float()
    by_target = asymmetric_cross_entropy(logits(), new, old, seen_classes=met, targets=certain)
    assert torch.allclose(by_label, by_target)
