"""ER, ER-ACE and DER++ of Avalanche (0.6) for the experiment `peers`: the library's own strategies, online.

An optional install (`streamlearner[peers]`); nothing is imported from it before a learner is made.
"""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from streamlearner.bench.peers.mammoth import ALPHA, BATCH, BETA, CLASSES, PACKED, PeerNetwork
from streamlearner.methods.base import unit_interval
from streamlearner.vision import torchvision as vision

STRATEGIES = ("er", "er_ace", "derpp")


def is_installed() -> bool:
    return importlib.util.find_spec("avalanche") is not None


def load_avalanche() -> Any:
    """The library, imported now. Torchvision goes first, as Avalanche would import it without our shim."""
    vision.load()
    with quiet():
        import avalanche
    return avalanche


@contextmanager
def quiet() -> Iterator[None]:
    """Shows no warnings: the library warns of its own deprecated calls, at every batch."""
    with warnings.catch_warnings():
        warnings.showwarning = lambda *a, **k: None
        yield


class AvalancheLearner(PeerNetwork):
    """An Avalanche strategy: each batch is an experience of its online stream.

    An item counts as if it were packed (a byte for a pixel and for the label, float32 logits where they are
    kept), though the library holds whole data sets and indices into them. It draws from torch's global
    generator, which is set to this learner's state meanwhile and restored after.
    """

    def __init__(self, *, strategy: str, budget_bits: int, seed: int, learning_rate: float) -> None:
        super().__init__(seed=seed)
        self._avalanche = load_avalanche()
        self.item_bits = PACKED.item_bits(logits=CLASSES if strategy == "derpp" else 0)
        self.capacity = budget_bits // self.item_bits
        self._model = ScaledInputs(self.network)
        self._steps = 0
        self._rng_state = torch.Generator().manual_seed(seed).get_state()
        with quiet():
            self._strategy = self._made(strategy, learning_rate)

    def _made(self, name: str, learning_rate: float) -> Any:
        training = self._avalanche.training
        common = {
            "model": self._model,
            "optimizer": torch.optim.SGD(self._model.parameters(), lr=learning_rate),
            "train_mb_size": BATCH,
            "evaluator": training.plugins.EvaluationPlugin(),
        }
        replayed = min(
            BATCH, self.capacity
        )  # asked for more than the buffer holds, Avalanche replays nothing
        if name == "er":
            reservoir = training.storage_policy.ReservoirSamplingBuffer(self.capacity)
            replay = training.plugins.ReplayPlugin(
                mem_size=self.capacity, batch_size_mem=replayed, storage_policy=reservoir
            )
            self._storage = reservoir
            return training.supervised.Naive(plugins=[replay], **common)
        common |= {"mem_size": self.capacity, "batch_size_mem": replayed}
        if name == "er_ace":
            made = training.supervised.ER_ACE(**common)
        else:
            made = training.supervised.DER(alpha=ALPHA, beta=BETA, **common)
        self._storage = made.storage_policy
        return made

    @property
    def stored_bits(self) -> int:
        return len(self._storage.buffer) * self.item_bits

    def learn(self, images: Tensor, labels: Tensor) -> None:
        """Images [n, 1, 28, 28] uint8 with labels [n] int64, each batch once, in their order."""
        benchmarks = self._avalanche.benchmarks
        with quiet(), torch.random.fork_rng(devices=[]):
            torch.set_rng_state(self._rng_state)
            whole = benchmarks.benchmark_from_datasets(train=[self._dataset(images, labels)])
            split = benchmarks.scenarios.online.split_online_stream
            for experience in split(whole.train_stream, experience_size=BATCH, shuffle=False):
                experience.current_experience = (
                    self._steps
                )  # counted on: else each call of learn would start over
                self._steps += 1
                self._strategy.train(experience)
            self._rng_state = torch.get_rng_state()
        self._model.eval()

    def _dataset(self, images: Tensor, labels: Tensor) -> Any:
        """Raw bytes, which the network turns into floats; that is cheapest. DER needs a task: all have
        one."""
        utils = self._avalanche.benchmarks.utils
        attribute = utils.data_attribute.DataAttribute
        return utils.classification_dataset.ClassificationDataset(
            [TensorDataset(images, labels)],
            data_attributes=[
                attribute(labels.tolist(), "targets"),
                attribute([0] * len(labels), "targets_task_labels", use_in_getitem=True),
            ],
        )


class ScaledInputs(nn.Module):
    """The network over raw bytes, with the stream's ten classes."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.network(unit_interval(images))[:, :CLASSES]
        return logits
