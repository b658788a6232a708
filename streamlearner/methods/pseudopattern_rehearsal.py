"""Learns each batch together with random inputs, labelled by the network's earlier state: no inputs are
stored.

After Robins, "Catastrophic forgetting, rehearsal and pseudorehearsal", 1995.
"""

from __future__ import annotations

from typing import Any, Self

import torch
from torch import Tensor
from torch.nn import functional as F

from streamlearner.methods.base import DualMemory, Experience, Observation, Rng, unit_interval
from streamlearner.methods.baseline import Baseline
from streamlearner.methods.components import Components
from streamlearner.networks.base import Network, Standardisation, sgd_step


class PseudopatternRehearsal(Baseline):
    """Pseudopatterns are random inputs: pixels uniform in [0, 1], features normal with the running mean and
    variance of the stream. In each step `recollections_per_step` of them are learned towards the
    probabilities of the neocortex, the copy from the last adopted sleep; before the first sleep none. `slept`
    counts adopted sleeps."""

    slept: Tensor

    switch = DualMemory.switch  # the neocortex could not label pseudopatterns for another architecture

    def __init__(
        self,
        *,
        rng: Rng,
        network: Network,
        learning_rate: float,
        recollections_per_step: int,
        steps: int = 1,
    ) -> None:
        super().__init__(network=network, learning_rate=learning_rate, steps=steps)
        self.rng = rng
        self.recollections_per_step = recollections_per_step
        self.register_buffer("slept", torch.tensor(0))

    @classmethod
    def build(cls, settings: Any, components: Components) -> Self:
        return cls(
            rng=components.make_rng(),
            network=components.network,
            learning_rate=components.network.learning_rate,
            recollections_per_step=components.recollections_per_step,
            steps=components.steps,
        )

    def _learn(self, experience: Experience) -> Observation:
        new, n = unit_interval(experience.inputs), len(experience.labels)
        old = self._pseudopatterns(new)
        logits = self.hippocampus.train()(torch.cat([new, old]))[:, : self.classes]
        answers = self.seen_classes.restricted(logits[:n], experience.tasks)
        loss = F.cross_entropy(answers, experience.labels)
        if len(old):
            with torch.no_grad():
                wanted = self.neocortex.eval()(old)[:, : self.classes].softmax(1)
            loss = loss + F.cross_entropy(logits[n:], wanted)
        loss.backward()  # type: ignore[no-untyped-call]
        rate = self.learning_rate
        sgd_step(self.hippocampus, learning_rate=rate, loss=(value := float(loss.detach())))
        return Observation(predicted=answers.detach().argmax(1), loss=value)

    def _pseudopatterns(self, like: Tensor) -> Tensor:
        """Random inputs [m, *shape], shaped like those of `like` [n, *shape]; none (m = 0) before the first
        sleep."""
        count, rng = self.recollections_per_step if self.slept else 0, self.rng.generator
        if like.ndim > 2:
            return torch.rand(count, *like.shape[1:], generator=rng)
        found = [layer for layer in self.hippocampus.modules() if isinstance(layer, Standardisation)]
        noise = torch.randn(count, like.shape[1], generator=rng)
        return found[0].mean + noise * found[0].variance.sqrt() if found else noise

    def adopt(self, candidate: Self) -> None:
        super().adopt(candidate)
        self.slept += 1
