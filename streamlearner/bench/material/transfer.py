"""Teacher and students of the transfer experiment: their networks, how they are trained, what is tested."""

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
from streamlearner.bench.material.transfer_memory import probabilities
from streamlearner.networks.augmentation import Augmentation
from streamlearner.networks.base import Network
from streamlearner.networks.by_name import lenet
from streamlearner.networks.distillation import DrawTargets, distill, distillation_loss

SHAPE = (1, 28, 28)
CLASSES = 10
HELD_OUT_ONE_IN = 6
QUICK_IMAGES, QUICK_TESTS = 1_500, 1_000


@dataclass(frozen=True, slots=True)
class SgdSettings:
    """Examples in a step, and the learning rate of the first step."""

    batch_size: int
    learning_rate: float


TEACHER_SGD = SgdSettings(batch_size=50, learning_rate=0.2)
TEACHER_PASSES = 8
TEACHER_AUGMENTATION = Augmentation(shift_pixels=2, rotation_degrees=10.0, scaling=0.1, flip=False)


def small_lenet() -> Network:
    """Half the channels of the daemon's LeNet and half the time a pass, 10 s in place of 19. After 6 passes
    0.993 on 5,000 held-out images (one seed)."""
    return lenet(input_shape=SHAPE, channels=(16, 32))


class TransferSetup(NamedTuple):
    """A trained teacher; the images [n, 1, 28, 28] in [0, 1] that may be stored, and the test images, with
    their classes."""

    teacher: Network
    images: Tensor
    labels: Tensor
    tests: Tensor
    test_labels: Tensor
    taught_examples: int
    """Images that the teacher learned in `seconds`, repeats counted."""
    seconds: float

    def accuracy(self, network: Network) -> float:
        predicted = probabilities(network, self.tests, classes=CLASSES).argmax(1)
        return float((predicted == self.test_labels).double().mean())


def draw_from(inputs: Tensor, targets: Tensor, generator: torch.Generator) -> DrawTargets:
    def draw(n: int) -> tuple[Tensor, Tensor]:
        places = torch.randint(len(inputs), (n,), generator=generator)
        return inputs[places], targets[places]

    return draw


def train(
    network: Network, draw: DrawTargets, *, sgd: SgdSettings, examples: int, candidates: int = 1
) -> float:
    """Trains the network on `examples`; the seconds it took. `candidates`: see `hardest`."""
    started = time.perf_counter()
    if candidates > 1:
        draw = hardest(network, draw, candidates=candidates)
    for _ in distill(
        network,
        draw=draw,
        steps=max(1, examples // sgd.batch_size),
        batch_size=sgd.batch_size,
        learning_rate=sgd.learning_rate,
    ):
        pass
    return time.perf_counter() - started


def hardest(student: Network, draw: DrawTargets, *, candidates: int) -> DrawTargets:
    """The paper's active sampling: draws `candidates` for each recollection, and takes the one on which the
    student's loss is largest."""

    @torch.no_grad()
    def draw_hardest(n: int) -> tuple[Tensor, Tensor]:
        inputs, targets = draw(n * candidates)
        losses = distillation_loss(student.eval(), inputs, targets).view(n, candidates)
        chosen = losses.argmax(1) + torch.arange(n) * candidates
        return inputs[chosen], targets[chosen]

    return draw_hardest


@lru_cache(maxsize=1)
def transfer_setup(fixture: Fixture, *, seed: int, quick: bool, held_out: bool) -> TransferSetup:
    """Cached for the next trial of the same seed, as a teacher takes a minute. The same images are held out
    whether they are tested on or not."""
    training, held = ordering.split_held_out(
        fixture.load_dataset("MNIST", True), held_out_one_in=HELD_OUT_ONE_IN
    )
    tests = held if held_out else fixture.load_dataset("MNIST", False)
    generator = torch.Generator().manual_seed(seed)
    images, labels = to_tensors(training)
    order = torch.randperm(len(images), generator=generator)[: QUICK_IMAGES if quick else None]
    images, labels = images[order], labels[order]
    teacher = initialised(small_lenet, generator)
    draw_plain = draw_from(images, F.one_hot(labels, CLASSES).float(), generator)

    def draw(n: int) -> tuple[Tensor, Tensor]:
        inputs, targets = draw_plain(n)
        return TEACHER_AUGMENTATION(inputs, generator=generator), targets

    count = (1 if quick else TEACHER_PASSES) * len(images)
    seconds = train(teacher, draw, sgd=TEACHER_SGD, examples=count)
    test_images, test_labels = to_tensors(tests)
    part = slice(QUICK_TESTS if quick else None)
    return TransferSetup(teacher, images, labels, test_images[part], test_labels[part], count, seconds)


def initialised(make: Callable[[], Network], generator: torch.Generator) -> Network:
    """A network whose initial weights come from `generator` alone."""
    seed = int(torch.randint(2**62, (1,), generator=generator))
    with torch.random.fork_rng(devices=[]):  # initialised from the global generator: seed that
        torch.manual_seed(seed)
        return make()


def to_tensors(dataset: Dataset) -> tuple[Tensor, Tensor]:
    """Images [n, 1, 28, 28] in [0, 1] and classes [n]."""
    images = torch.from_numpy(dataset.images)[:, None].float() / 255.0
    return images, torch.tensor([int(label) for label in dataset.labels])
