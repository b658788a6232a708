"""Learns each batch by SGD with gradients multiplied by a trained gate; remembers no inputs.

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
from streamlearner.networks.base import Network, sgd_step
from streamlearner.registry.methods import MetaLearnedUpdateSection

UNTRAINED_HIDDEN = 8
"""Of a gate that changes nothing: its size matters to no one."""


class MetaLearnedUpdate(Baseline):
    """SGD in which each gradient is multiplied by the output of the gate for it. The gate's weights stay as
    they were trained (`streamlearner meta-train`); `state`, the hidden state of its LSTMs, is part of the
    method's state.

    What is preserved is a representation, not predictions: the linear readout measures it (paper 002, section
    3). The neocortex is the copy from the last adopted sleep.

    Differs: a stream has no end, and a gate is trained for episodes of `horizon` steps: after so many steps,
    and after each adopted sleep, its hidden state is reset.
    """

    gate: UpdateGate
    state: Tensor
    steps_since_reset: Tensor
    training_only = (*Baseline.training_only, "gate")
    switch = DualMemory.switch  # a gate fits only the layers that it was trained for

    def __init__(
        self, *, network: Network, gate: UpdateGate, horizon: int, learning_rate: float, steps: int = 1
    ) -> None:
        super().__init__(network=network, learning_rate=learning_rate, steps=steps)
        self.gate = gate.requires_grad_(False)
        self.horizon = horizon
        self.register_buffer("state", gate.initial_state())
        self.register_buffer("steps_since_reset", torch.tensor(0))

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
        answers = self.seen_classes.restricted(logits, experience.tasks)
        loss = F.cross_entropy(answers, experience.labels)
        loss.backward()  # type: ignore[no-untyped-call]
        self.state = self.gate.modulate(network.body, activities, self.state)
        value = float(loss.detach())
        sgd_step(network, learning_rate=self.learning_rate, loss=value)
        self.steps_since_reset += 1
        if int(self.steps_since_reset) >= self.horizon:
            self._reset_gate_state()
        return Observation(predicted=answers.detach().argmax(1), loss=value)

    def _reset_gate_state(self) -> None:
        self.state = self.gate.initial_state()
        self.steps_since_reset.zero_()

    def adopt(self, candidate: Self) -> None:
        super().adopt(candidate)
        self._reset_gate_state()

    def revert(self, neocortex: dict[str, Tensor]) -> None:
        super().revert(neocortex)
        self._reset_gate_state()
