"""What `streamlearner meta-train` is made of: a network that knows old classes, and a gate for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from streamlearner.errors import ConfigError
from streamlearner.gates.gate_file import save_gate
from streamlearner.gates.meta_learning import (
    Episode,
    EpisodeTasks,
    GateTraining,
    LabelledBatch,
    Target,
    meta_train,
    pretrain,
)
from streamlearner.gates.update_gate import UpdateGate
from streamlearner.methods.base import unit_interval
from streamlearner.networks.base import Network
from streamlearner.networks.by_name import build_network
from streamlearner.networks.seeded import seeded
from streamlearner.vision import datasets as picture_sets

HIDDEN = 32
"""Units of a gate's cells; the paper's, for fully connected layers."""
SHARED_RATE, BESIDE_OWN_RATE = 1e-3, 3e-4
"""Adam's for what all units of a layer share in a gate: the paper's, and beside an offset for each weight."""
CURRICULA: dict[Target, tuple[float, float, int, int]] = {
    "readout": (5.0, 5.0, 25, 25),
    "representation": (20.0, 35.0, 5, 11),
}
"""Least and greatest loss that ends an episode, shortest and longest way that gradients go back; of the
representation the paper's."""


class LabelledImages(NamedTuple):
    """Images [n, C, H, W] uint8 with their class numbers [n]."""

    images: Tensor
    labels: Tensor

    def draw(self, n: int, classes: Tensor, rng: torch.Generator) -> LabelledBatch:
        """`n` of these classes, as networks take them."""
        places = torch.isin(self.labels, classes).nonzero().flatten()
        chosen = places[torch.randint(len(places), (n,), generator=rng)]
        return LabelledBatch(unit_interval(self.images[chosen]), self.labels[chosen])


@dataclass(frozen=True, slots=True)
class MetaTraining:
    """`old` classes are learned first, in `pretraining_steps`; each episode then takes `new_per_episode` of
    the `new` ones (None: all), drawn anew. `each_weight`: the gate is for this very network, whose weights
    then go into the file. `download` fetches a set that is absent."""

    data_set: str
    folder: Path
    network: str
    old: Sequence[int]
    new: Sequence[int]
    new_per_episode: int | None
    pretraining_steps: int
    episodes: int
    steps: int
    horizon: int
    batch_size: int
    learning_rate: float
    target: Target
    threshold: float | None
    seed: int
    each_weight: bool = False
    download: bool = False

    @property
    def training(self) -> GateTraining:
        """With the target's curriculum, but for a `threshold`: then episodes all end at that loss."""
        least, most, shortest, longest = CURRICULA[self.target]
        return GateTraining(
            episodes=self.episodes,
            steps=self.steps,
            horizon=self.horizon,
            batch_size=self.batch_size,
            inner_rate=self.learning_rate,
            outer_rate=BESIDE_OWN_RATE if self.each_weight else SHARED_RATE,
            target=self.target,
            min_threshold=least if self.threshold is None else self.threshold,
            max_threshold=most if self.threshold is None else self.threshold,
            min_truncation=shortest,
            max_truncation=longest,
        )

    def run(self, out: Path) -> Iterator[Episode]:
        """Trains a gate and writes it to `out`; one episode for each `yield`. Raises ConfigError for data
        that is not there, classes that it has not, or a network that cannot take it."""
        found = picture_sets.read(self.data_set, folder=self.folder, train=True, download=self.download)
        images = torch.from_numpy(found.images)
        images = images[:, None] if images.ndim == 3 else images.permute(0, 3, 1, 2).contiguous()
        examples = LabelledImages(images, torch.tensor(found.labels))
        self._check(examples.labels)
        rng = torch.Generator().manual_seed(self.seed)
        network = self._pretrained(examples, rng)
        with seeded(self.seed):
            gate = UpdateGate(network, hidden=HIDDEN, each_weight=self.each_weight)
        yield from meta_train(
            gate,
            episode_tasks=lambda _: self._episode_tasks(network, examples, rng),
            training=self.training,
        )
        save_gate(gate, out, facts=self.facts(), start=network if self.each_weight else None)

    def facts(self) -> dict[str, str]:
        """What the gate was trained on."""
        return {
            "network": self.network,
            "data_set": self.data_set,
            "old": ",".join(map(str, self.old)),
            "new": ",".join(map(str, self.new)),
            "episodes": str(self.episodes),
            "steps": str(self.steps),
            "horizon": str(self.horizon),
            "target": self.target,
            "learning_rate": str(self.learning_rate),
            "seed": str(self.seed),
        }

    def _check(self, labels: Tensor) -> None:
        known = set(labels.tolist())
        if absent := sorted({*self.old, *self.new} - known):
            raise ConfigError(
                f"{self.data_set} has no class {absent[0]}: its classes are {min(known)} to {max(known)}"
            )
        if both := sorted(set(self.old) & set(self.new)):
            raise ConfigError(f"class {both[0]} is old and new: name it once")

    def _pretrained(self, examples: LabelledImages, rng: torch.Generator) -> Network:
        try:
            network = build_network(
                name=self.network, input_shape=tuple(examples.images.shape[1:]), generator=rng
            )
        except ValueError as error:
            raise ConfigError(str(error)) from None
        network.head.grow(max(*self.old, *self.new) + 1)
        old = torch.tensor(self.old)
        pretrain(
            network,
            lambda n: examples.draw(n, old, rng),
            steps=self.pretraining_steps,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
        )
        return network

    def _episode_tasks(
        self, network: Network, examples: LabelledImages, rng: torch.Generator
    ) -> EpisodeTasks:
        chosen = torch.randperm(len(self.new), generator=rng)[: self.new_per_episode]
        old, new = torch.tensor(self.old), torch.tensor(self.new)[chosen]
        return EpisodeTasks(
            network=network,
            old=lambda n: examples.draw(n, old, rng),
            new=lambda n: examples.draw(n, new, rng),
        )
