"""Teacher and pupils: how a network is taught in the transfer experiment, and by whom."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from streamlearner.bench.kit import ordering
from streamlearner.bench.kit.fixture import Dataset, Fixture
from streamlearner.bench.material.transfer_memory import answers
from streamlearner.networks.augmentation import Augmentation
from streamlearner.networks.base import Network
from streamlearner.networks.by_name import lenet
from streamlearner.networks.distillation import Draw, teach

SHAPE = (1, 28, 28)
CLASSES = 10
HELD_OUT_ONE_IN = 6
QUICK_IMAGES, QUICK_TESTS = 1_500, 1_000


@dataclass(frozen=True, slots=True)
class Pace:
    """How episodes are taken: so many in a step, and the size of the first step."""

    batch_size: int
    learning_rate: float


TEACHER_PACE = Pace(batch_size=50, learning_rate=0.2)
TEACHER_PASSES = 8
TEACHER_AUGMENTATION = Augmentation(shift_pixels=2, rotation_degrees=10.0, scaling=0.1, flip=False)


def small_lenet() -> Network:
    """Half the channels of the daemon's LeNet, and half its time a pass: 10 s in place of 19. After 6 passes
    0.993 on 5,000 held-out images (one seed)."""
    return lenet(input_shape=SHAPE, channels=(16, 32))


class Classroom(NamedTuple):
    """A trained teacher; the images [n, 1, 28, 28] in [0, 1] that may be remembered, and those of the test,
    with their classes."""

    teacher: Network
    images: Tensor
    labels: Tensor
    tests: Tensor
    test_labels: Tensor
    lessons: int
    """Images that the teacher learned, repeats counted, in so many seconds."""
    seconds: float

    def accuracy(self, network: Network) -> float:
        told = answers(network, self.tests, classes=CLASSES).argmax(1)
        return float((told == self.test_labels).double().mean())


def drawing(inputs: Tensor, targets: Tensor, generator: torch.Generator) -> Draw:
    def draw(n: int) -> tuple[Tensor, Tensor]:
        places = torch.randint(len(inputs), (n,), generator=generator)
        return inputs[places], targets[places]

    return draw


def follow(network: Network, draw: Draw, *, pace: Pace, examples: int, candidates: int = 1) -> float:
    """Teaches the network `examples` at this pace; the seconds it took."""
    started = time.perf_counter()
    for _ in teach(
        network,
        draw=draw,
        steps=max(1, examples // pace.batch_size),
        batch_size=pace.batch_size,
        learning_rate=pace.learning_rate,
        candidates=candidates,
    ):
        pass
    return time.perf_counter() - started


@lru_cache(maxsize=1)
def classroom(fixture: Fixture, *, seed: int, quick: bool, held_out: bool) -> Classroom:
    """Kept for the next trial of this seed: a teacher takes a minute. The same images are held out whether
    they are tested on or not."""
    training, held = ordering.split_held_out(
        fixture.load_dataset("MNIST", True), held_out_one_in=HELD_OUT_ONE_IN
    )
    tests = held if held_out else fixture.load_dataset("MNIST", False)
    generator = torch.Generator().manual_seed(seed)
    images, labels = tensors(training)
    order = torch.randperm(len(images), generator=generator)[: QUICK_IMAGES if quick else None]
    images, labels = images[order], labels[order]
    teacher = initialised(small_lenet, generator)
    lesson = drawing(images, F.one_hot(labels, CLASSES).float(), generator)

    def draw(n: int) -> tuple[Tensor, Tensor]:
        inputs, targets = lesson(n)
        return TEACHER_AUGMENTATION(inputs, generator=generator), targets

    count = (1 if quick else TEACHER_PASSES) * len(images)
    seconds = follow(teacher, draw, pace=TEACHER_PACE, examples=count)
    test_images, test_labels = tensors(tests)
    part = slice(QUICK_TESTS if quick else None)
    return Classroom(teacher, images, labels, test_images[part], test_labels[part], count, seconds)


def initialised(make: Callable[[], Network], generator: torch.Generator) -> Network:
    """A network whose weights are drawn from `generator` only."""
    seed = int(torch.randint(2**62, (1,), generator=generator))
    with torch.random.fork_rng(devices=[]):  # torch initialises from the global generator: lend it our seed
        torch.manual_seed(seed)
        return make()


def tensors(dataset: Dataset) -> tuple[Tensor, Tensor]:
    """Images [n, 1, 28, 28] in [0, 1] and classes [n]."""
    images = torch.from_numpy(dataset.images)[:, None].float() / 255.0
    return images, torch.tensor([int(label) for label in dataset.labels])
