"""Learns each example by steps that a trained gate lets through, and remembers nothing.

After "Learning to Remember from a Multi-Task Teacher" (paper 002).
"""

from __future__ import annotations

from typing import Self

import torch
from torch import Tensor
from torch.nn import functional as F

from streamlearner.gates.gate_file import load_gate, read_tensors
from streamlearner.gates.update_gate import UpdateGate, recorded_activities
from streamlearner.methods.base import DualMemory, Experience, Observation, unit_interval
from streamlearner.methods.baseline import Baseline
from streamlearner.methods.components import Components
from streamlearner.networks.base import Network, descend
from streamlearner.registry.methods import MetaLearnedUpdateSection

UNTRAINED_HIDDEN = 8
"""Of a gate that changes nothing: its size matters to no one."""


class MetaLearnedUpdate(Baseline):
    """Plain descent, each gradient multiplied by what the gate gives for it; its weights stay as they were
    trained (`streamlearner meta-train`), what its cells remember is part of the state.

    What is kept is a representation, not answers: the readout tells what is left (paper 002, section 3).
    The neocortex is the copy that the last sleep took.

    Differs: a stream has no end, and a gate was trained for `horizon` steps: after so many, and after each
    adopted sleep, its cells begin anew.
    """

    gate: UpdateGate
    state: Tensor
    since: Tensor
    waking_only = (*Baseline.waking_only, "gate")
    switch = DualMemory.switch  # a gate belongs to the layers that it was trained on

    def __init__(
        self, *, network: Network, gate: UpdateGate, horizon: int, learning_rate: float, steps: int = 1
    ) -> None:
        super().__init__(network=network, learning_rate=learning_rate, steps=steps)
        self.gate = gate.requires_grad_(False)
        self.horizon = horizon
        self.register_buffer("state", gate.initial_state())
        self.register_buffer("since", torch.tensor(0))

    @classmethod
    def build(cls, settings: MetaLearnedUpdateSection, components: Components) -> Self:
        """Raises ConfigError for a gate of another network."""
        network = components.network
        if settings.gate:
            gate = load_gate(settings.gate, network)
        else:
            with components.drawing():
                gate = UpdateGate(network, hidden=UNTRAINED_HIDDEN)
        return cls(
            network=network,
            gate=gate,
            horizon=settings.horizon,
            learning_rate=network.learning_rate,
            steps=components.steps,
        )

    @classmethod
    def check(cls, settings: MetaLearnedUpdateSection) -> None:
        """Raises ConfigError for a gate that is named and cannot be read; whether it fits shows with the
        inputs."""
        if settings.gate:
            read_tensors(settings.gate)

    def _learn(self, experience: Experience) -> Observation:
        network = self.hippocampus.train()
        with recorded_activities(network.body) as activities:
            logits = network(unit_interval(experience.inputs))[:, : self.classes]
        answers = self.curriculum.restricted(logits, experience.tasks)
        loss = F.cross_entropy(answers, experience.labels)
        loss.backward()  # type: ignore[no-untyped-call]
        self.state = self.gate.modulate(network.body, activities, self.state)
        value = float(loss.detach())
        descend(network, learning_rate=self.learning_rate, loss=value)
        self.since += 1
        if int(self.since) >= self.horizon:
            self._begin_anew()
        return Observation(predicted=answers.detach().argmax(1), loss=value)

    def _begin_anew(self) -> None:
        self.state = self.gate.initial_state()
        self.since.zero_()

    def adopt(self, candidate: Self) -> None:
        super().adopt(candidate)
        self._begin_anew()

    def revert(self, neocortex: dict[str, Tensor]) -> None:
        super().revert(neocortex)
        self._begin_anew()
