"""Learns each example and remembers nothing: the lower bound that every memory must beat."""

from __future__ import annotations

from torch.nn import functional as F

from streamlearner.methods.base import Experience, Observation, unit_interval
from streamlearner.methods.baseline import Baseline
from streamlearner.networks.base import sgd_step


class Finetune(Baseline):
    """SGD on the stream in its order. Where a task is named, only the classes seen with it compete."""

    def _learn(self, experience: Experience) -> Observation:
        network = self.hippocampus.train()
        logits = network(unit_interval(experience.inputs))[:, : self.classes]
        logits = self.seen_classes.restricted(logits, experience.tasks)
        loss = F.cross_entropy(logits, experience.labels)
        loss.backward()  # type: ignore[no-untyped-call]
        rate = self.learning_rate
        sgd_step(network, learning_rate=rate, loss=(value := float(loss.detach())))
        return Observation(predicted=logits.detach().argmax(1), loss=value)
