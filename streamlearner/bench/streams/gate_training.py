"""Trains a gate for a network, and for a trial of `meta_learned_update` before its stream (paper 002)."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from streamlearner.bench.kit.fixture import Fixture, Settings
from streamlearner.bench.material.readout import BATCH, Task, task_of
from streamlearner.gates.gate_file import save_gate
from streamlearner.gates.meta_learning import EpisodeTasks, GateTraining, meta_train, pretrain
from streamlearner.gates.update_gate import UpdateGate
from streamlearner.networks.base import Network
from streamlearner.networks.by_name import build_network

HORIZON = 50
TRAINING = GateTraining(
    episodes=16, steps=500, horizon=HORIZON, batch_size=BATCH, inner_rate=0.05, outer_rate=3e-4, own_rate=0.1
)
HIDDEN = 32
PRETRAINING_STEPS = 1_500
BEFORE_A_STREAM = replace(TRAINING, episodes=8)
"""Half the episodes: the stream's network is four times as wide, and its steps take longer."""
QUICK_EXAMPLES, QUICK_STEPS = 200, 5


def trained_gate(
    network: Network, old: Task, new: Task, *, training: GateTraining, seed: int, quick: bool
) -> UpdateGate:
    """A gate trained for this very network, which knows the old task, while it learns the new one."""
    rng = torch.Generator().manual_seed(2_000 + seed)
    tasks = EpisodeTasks(network=network, old=old.draw(rng), new=new.draw(rng))
    training = replace(training, episodes=2, steps=QUICK_STEPS) if quick else training
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        gate = UpdateGate(network, hidden=HIDDEN, each_weight=True)
    for _ in meta_train(gate, episode_tasks=lambda _: tasks, training=training):
        pass
    return gate


@contextmanager
def gate_settings(
    fixture: Fixture, settings: Settings, *, on: str | None, quick: bool
) -> Iterator[dict[str, Any]]:
    """Settings that let a daemon learn by a gate that was trained on the training half of the data set `on`,
    whose images have the shape of the stream's; none where `on` is None. The file they name is deleted with
    the context.

    The default network learns half of the classes; the gate is trained while it learns the other half. The
    stream's network starts from the weights after the first half.
    """
    if on is None:
        yield {}
        return
    known = task_of(fixture.load_dataset(on, True, QUICK_EXAMPLES if quick else None))
    classes = sorted(set(known.labels.tolist()))
    old, new = (known.of(tuple(classes[start::2])) for start in (0, 1))
    seed = int(settings["seed"])
    rng = torch.Generator().manual_seed(seed)
    network = build_network(name="auto", input_shape=tuple(known.images.shape[1:]), generator=rng)
    network.head.grow(classes[-1] + 1)
    pretrain(
        network,
        old.draw(rng),
        steps=QUICK_STEPS if quick else PRETRAINING_STEPS,
        batch_size=BATCH,
        learning_rate=TRAINING.inner_rate,
    )
    gate = trained_gate(network, old, new, training=BEFORE_A_STREAM, seed=seed, quick=quick)
    with tempfile.TemporaryDirectory(prefix="streamlearner-bench-") as folder:
        path = Path(folder) / "gate.safetensors"
        save_gate(gate, path, facts={"data_set": on}, start=network)
        yield {"method.meta_learned_update.gate": str(path)}
