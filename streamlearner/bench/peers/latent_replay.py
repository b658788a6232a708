"""Rehearsal of codes of features, as REMIND and SIESTA do it, on the features of a frozen network.

Both keep codes of maps from the middle of a network and train what is above. Here the cut is at the network's
end: what is above is one hidden layer and the classes. The first part of the stream is their base: the tables
of the codes are fitted to it, and the network above is trained on it many times over, as in the papers.
Neither these nor the network count against the budget, which holds codes and labels alone.
"""

from __future__ import annotations

from collections import defaultdict

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from streamlearner.bench.material.feature_codes import FeatureCodes
from streamlearner.bench.peers.answering import Scoring
from streamlearner.bench.peers.simple import ByClass, Scale, flattened

HIDDEN = 512
BASE_EPOCHS, BASE_BATCH = 10, 64
MOMENTUM, DECAY = 0.9, 1e-4


class LatentReplay(Scoring):
    """Codes in a memory that is balanced over classes, and a network above that learns from them.

    `base`: examples that are waited for before anything is learned.
    """

    def __init__(
        self, *, codes: FeatureCodes, budget_bits: int, seed: int, base: int, rate: float, most_classes: int
    ) -> None:
        self.codes, self.base, self.rate, self.most_classes = codes, base, rate, most_classes
        self.item_bits = codes.bits + (most_classes - 1).bit_length()
        self.capacity = budget_bits // self.item_bits
        self.classes = ByClass()
        self.generator = torch.Generator().manual_seed(seed)
        self.waiting: list[tuple[Tensor, Tensor]] = []
        self.held = self.labels = torch.zeros(0)
        self.places: dict[int, list[int]] = defaultdict(list)
        self.started = False

    def learn(self, inputs: Tensor, labels: Tensor) -> None:
        numbers = self.classes.numbers(labels)
        if self.started:
            self.learn_coded(self.codes.encode(inputs), numbers)
            return
        self.waiting.append((inputs, numbers))
        if sum(len(each) for _, each in self.waiting) >= self.base:
            self._start(*(torch.cat(parts) for parts in zip(*self.waiting, strict=True)))
            self.waiting = []

    def finish(self) -> None:
        """What came after the last whole number of batches is learned too, or a stream shorter than its
        base."""
        if not self.started and self.waiting:
            self._start(*(torch.cat(parts) for parts in zip(*self.waiting, strict=True)))

    def scores(self, inputs: Tensor) -> Tensor:
        if not self.started:
            return torch.zeros(len(inputs), 0)
        with torch.no_grad():
            return self.classes.by_label(self.logits(inputs)[:, : len(self.classes.labels)])

    def learn_coded(self, coded: Tensor, numbers: Tensor) -> None:
        """Codes [n, ...] of new examples with the numbers of their classes."""
        raise NotImplementedError

    def logits(self, features: Tensor) -> Tensor:
        """[n, most_classes]."""
        raise NotImplementedError

    def hidden(self, features: Tensor) -> Tensor:
        """[n, HIDDEN] of features, which are standardised as those of the base were."""
        standard = (features - self.scale.mean.float()) / self.scale.deviation().float()
        return F.relu(self.layer(standard))

    def sample(self, count: int) -> tuple[Tensor, Tensor]:
        """Features as decoded, and their classes; all held are as likely."""
        drawn = torch.randint(len(self.labels), (count,), generator=self.generator)
        return self.codes.decode(self.held[drawn]), self.labels[drawn]

    def remember(self, coded: Tensor, numbers: Tensor) -> None:
        """While there is room all; then in place of any of the largest class (REMIND, section 4)."""
        if len(self.labels) < self.capacity:
            room = self.capacity - len(self.labels)
            for place, number in enumerate(numbers[:room].tolist(), len(self.labels)):
                self.places[number].append(place)
            self.held = torch.cat([self.held, coded[:room]]) if len(self.labels) else coded[:room].clone()
            self.labels = torch.cat([self.labels.long(), numbers[:room]])
            coded, numbers = coded[room:], numbers[room:]
        for one, number in zip(coded, numbers.tolist(), strict=True):
            largest = max(self.places, key=lambda each: (len(self.places[each]), each))
            among = self.places[largest]
            place = among.pop(int(torch.randint(len(among), (), generator=self.generator)))
            self.places[number].append(place)
            self.held[place], self.labels[place] = one, number

    def _start(self, features: Tensor, numbers: Tensor) -> None:
        self.scale = Scale()
        self.scale.update(flattened(features))
        self.codes.fit(features)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(torch.randint(2**31, (), generator=self.generator)))
            self.layer = nn.Linear(features.shape[1], HIDDEN)
            self.head = nn.Linear(HIDDEN, self.most_classes)
        coded, self.started = self.codes.encode(features), True
        order = [torch.randperm(len(numbers), generator=self.generator) for _ in range(BASE_EPOCHS)]
        self.weights = [*self.layer.parameters(), *self.head.parameters()]
        self.velocity = [torch.zeros_like(each) for each in self.weights]
        for chosen in torch.split(torch.cat(order), BASE_BATCH):
            self.step(self.codes.decode(coded[chosen]), numbers[chosen], rate=self.rate)
        self.remember(coded, numbers)

    def step(self, features: Tensor, numbers: Tensor, *, rate: float) -> None:
        """SGD with momentum, by hand: the first step of torch's own imports its compiler, four seconds."""
        logits = self.logits(features)[:, : len(self.classes.labels)]
        loss = F.cross_entropy(logits, numbers)
        gradients = torch.autograd.grad(loss, self.weights, allow_unused=True)
        with torch.no_grad():
            for weight, velocity, gradient in zip(self.weights, self.velocity, gradients, strict=True):
                if gradient is not None:
                    velocity.mul_(MOMENTUM).add_(gradient).add_(weight, alpha=DECAY)
                    weight.sub_(velocity, alpha=rate)

    @property
    def stored_bits(self) -> int:  # type: ignore[override]
        return len(self.labels) * self.item_bits

    @property
    def parameter_bits(self) -> int:  # type: ignore[override]
        network = sum(each.numel() for each in self.weights) if self.started else 0
        return 32 * network + self.codes.parameter_bits


class Remind(LatentReplay):
    """REMIND (Hayes et al., 2020): after each new example a step on it and 50 that are drawn. Here ten new
    examples share a step."""

    new, replayed = 10, 50

    def logits(self, features: Tensor) -> Tensor:
        found: Tensor = self.head(self.hidden(features))
        return found

    def learn_coded(self, coded: Tensor, numbers: Tensor) -> None:
        for new, own in zip(torch.split(coded, self.new), torch.split(numbers, self.new), strict=True):
            features, labels = self.sample(self.replayed)
            shown = torch.cat([self.codes.decode(new), features])
            self.step(shown, torch.cat([own, labels]), rate=self.rate)
            self.remember(new, own)


class Siesta(LatentReplay):
    """SIESTA (Harun et al., 2023): awake, each class is the running mean of what the hidden layer makes of
    its examples, by cosine; asleep, after each `base` examples, hidden layer and classes learn from batches
    of 64 codes that are balanced over classes."""

    steps, batch, temperature = 500, 64, 16.0
    awake = 0
    """Examples since the last sleep."""

    def logits(self, features: Tensor) -> Tensor:
        hidden = F.normalize(self.hidden(features), dim=1)
        found: Tensor = self.temperature * hidden @ F.normalize(self.head.weight, dim=1).T
        return found

    def learn_coded(self, coded: Tensor, numbers: Tensor) -> None:
        self._wake(coded, numbers)
        self.remember(coded, numbers)
        self.awake += len(numbers)
        if self.awake >= self.base:
            self._sleep()

    def finish(self) -> None:
        super().finish()
        if self.awake:
            self._sleep()

    @torch.no_grad()
    def _wake(self, coded: Tensor, numbers: Tensor) -> None:
        hidden = F.normalize(self.hidden(self.codes.decode(coded)), dim=1)
        weight = self.head.weight
        for one, number in zip(hidden, numbers.tolist(), strict=True):
            count = len(self.places[number])
            own = F.normalize(weight[number], dim=0) if count else torch.zeros_like(one)
            weight[number] = (count * own + one) / (count + 1)

    def _sleep(self) -> None:
        self.awake = 0
        for step in range(self.steps):
            features, labels = self._balanced()
            self.step(features, labels, rate=self.rate * (1 - step / self.steps))

    def _balanced(self) -> tuple[Tensor, Tensor]:
        known = [number for number, places in self.places.items() if places]
        drawn = torch.randint(2**31, (self.batch, 2), generator=self.generator).tolist()
        numbers = [known[first % len(known)] for first, _ in drawn]
        places = [
            self.places[number][second % len(self.places[number])]
            for number, (_, second) in zip(numbers, drawn, strict=True)
        ]
        return self.codes.decode(self.held[places]), torch.tensor(numbers)
