"""ER, ER-ACE and DER++ in the manner of Mammoth, from their papers: raw items, a reservoir, plain SGD.

Mammoth itself is on no package index. As there, one reservoir of items is sampled uniformly and replayed with
each batch. Different: new and replayed images pass the network together and not one after the other, which is
faster; and the cost of an item is counted in bits.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from streamlearner.methods.base import unit_interval
from streamlearner.networks.augmentation import Augmentation
from streamlearner.networks.base import sgd_step
from streamlearner.networks.by_name import build_network

BATCH = 10
"""New images of a step, and the most replayed ones in each draw from the memory."""
CLASSES = 10
INPUT_SHAPE = (1, 28, 28)
ALPHA, BETA = 0.5, 0.5
"""DER++: weights of the stored logits and of the stored labels."""


class Storage(NamedTuple):
    """The types in which the image and the label of an item are stored."""

    image: torch.dtype
    label: torch.dtype

    def item_bits(self, *, logits: int = 0) -> int:
        """Bits of one image and label, and of `logits` float32 numbers beside them."""
        pixels = INPUT_SHAPE[0] * INPUT_SHAPE[1] * INPUT_SHAPE[2]
        return 8 * (pixels * self.image.itemsize + self.label.itemsize + logits * torch.float32.itemsize)


PACKED = Storage(torch.uint8, torch.uint8)
"""A byte for a pixel, a byte for a label: 6,280 bits."""
AS_MAMMOTH = Storage(torch.float32, torch.int64)
"""What Mammoth's buffer holds: 25,152 bits, so that equal bits hold a quarter of the items."""


class Items(NamedTuple):
    """Images [n, 1, 28, 28] float32 in [0, 1], labels [n] int64, logits [n, 10] (or [n, 0]: none stored)."""

    images: Tensor
    labels: Tensor
    logits: Tensor


class Reservoir:
    """A uniform sample of all items seen, as many as fit `budget_bits` (Vitter, 1985, algorithm R)."""

    def __init__(
        self, *, budget_bits: int, storage: Storage, logits: int, generator: torch.Generator
    ) -> None:
        self.item_bits = storage.item_bits(logits=logits)
        self.capacity = budget_bits // self.item_bits
        self.images = torch.zeros(self.capacity, *INPUT_SHAPE, dtype=storage.image)
        self.labels = torch.zeros(self.capacity, dtype=storage.label)
        self.logits = torch.zeros(self.capacity, logits)
        self.seen = 0
        self.generator = generator

    def __len__(self) -> int:
        return min(self.seen, self.capacity)

    @property
    def stored_bits(self) -> int:
        return len(self) * self.item_bits

    def insert(self, items: Items) -> None:
        images = items.images
        if self.images.dtype == torch.uint8:
            images = (images * 255.0).round().to(torch.uint8)
        for row in range(len(images)):
            place = self.seen
            if self.seen >= self.capacity:
                place = int(torch.randint(self.seen + 1, (1,), generator=self.generator))
            self.seen += 1
            if place < self.capacity:
                self.images[place] = images[row]
                self.labels[place] = items.labels[row]
                self.logits[place] = items.logits[row, : self.logits.shape[1]]

    def sample(self, n: int) -> Items:
        """Up to `n` different items, uniformly."""
        places = torch.randperm(len(self), generator=self.generator)[:n]
        return Items(unit_interval(self.images[places]), self.labels[places].long(), self.logits[places])


class PeerNetwork:
    """The network of all candidates, initialised as the daemon initialises its own from the same seed."""

    def __init__(self, *, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed * 1000 + 1)
        self.network = build_network(name="mlp", input_shape=INPUT_SHAPE, generator=generator)

    def logits(self, images: Tensor) -> Tensor:
        """[n, 1, 28, 28] in [0, 1] to [n, 10]."""
        found: Tensor = self.network(images)[:, :CLASSES]
        return found

    @torch.no_grad()
    def predict(self, images: Tensor) -> Tensor:
        """Labels [n] for images [n, 1, 28, 28] uint8."""
        return torch.cat([self.logits(unit_interval(part)).argmax(1) for part in torch.split(images, 500)])

    @property
    def parameter_bits(self) -> int:
        tensors = self.network.state_dict().values()
        return sum(8 * tensor.numel() * tensor.element_size() for tensor in tensors)

    def finish(self) -> None:
        """Nothing remains to be done after the stream."""


class ExperienceReplay(PeerNetwork):
    """ER (Chaudhry et al., 2019): plain cross-entropy over new and replayed items together.

    `augmentation` is applied to what is replayed (None: nothing is).
    """

    kept_logits = 0
    draws = 1

    def __init__(
        self,
        *,
        budget_bits: int,
        seed: int,
        learning_rate: float,
        storage: Storage = PACKED,
        augmentation: Augmentation | None = None,
    ) -> None:
        super().__init__(seed=seed)
        self.learning_rate = learning_rate
        self.generator = torch.Generator().manual_seed(seed)
        self.augmentation = augmentation
        self.memory = Reservoir(
            budget_bits=budget_bits, storage=storage, logits=self.kept_logits, generator=self.generator
        )

    @property
    def stored_bits(self) -> int:
        return self.memory.stored_bits

    def learn(self, images: Tensor, labels: Tensor) -> None:
        """Images [n, 1, 28, 28] uint8 with labels [n] int64, each batch once, in their order."""
        for new, targets in zip(torch.split(images, BATCH), torch.split(labels, BATCH), strict=True):
            self._step(unit_interval(new), targets)

    def _step(self, new: Tensor, labels: Tensor) -> None:
        old = [self._replayed() for _ in range(self.draws)]
        logits = self.logits(torch.cat([new, *(items.images for items in old)]))
        first, *others = torch.split(logits, [len(new), *(len(items.labels) for items in old)])
        loss = self._loss(first, labels, others, old)
        loss.backward()  # type: ignore[no-untyped-call]
        sgd_step(self.network, learning_rate=self.learning_rate, loss=float(loss.detach()))
        self.memory.insert(Items(new, labels, first.detach()))

    def _replayed(self) -> Items:
        items = self.memory.sample(BATCH)
        if self.augmentation is None:
            return items
        return items._replace(images=self.augmentation(items.images, generator=self.generator))

    def _loss(self, new: Tensor, labels: Tensor, old: list[Tensor], items: list[Items]) -> Tensor:
        return F.cross_entropy(torch.cat([new, old[0]]), torch.cat([labels, items[0].labels]))


class AsymmetricReplay(ExperienceReplay):
    """ER-ACE (Caccia et al., 2022): the softmax of new items is over the classes of their batch, that of
    replayed ones over all."""

    def _loss(self, new: Tensor, labels: Tensor, old: list[Tensor], items: list[Items]) -> Tensor:
        absent = torch.ones(CLASSES, dtype=torch.bool)
        absent[labels] = False
        loss = F.cross_entropy(new.masked_fill(absent, -torch.inf), labels)
        return loss + F.cross_entropy(old[0], items[0].labels) if len(items[0].labels) else loss


class DarkReplay(ExperienceReplay):
    """DER++ (Buzzega et al., 2020): one draw is regressed on the logits stored with it, another learns its
    labels."""

    kept_logits = CLASSES
    draws = 2

    def _loss(self, new: Tensor, labels: Tensor, old: list[Tensor], items: list[Items]) -> Tensor:
        loss = F.cross_entropy(new, labels)
        if not len(items[0].labels):
            return loss
        dark = F.mse_loss(old[0], items[0].logits)
        return loss + ALPHA * dark + BETA * F.cross_entropy(old[1], items[1].labels)
