"""The configured A-LTM: a flexible and a stable network, and a recollection memory."""

from __future__ import annotations

import torch

from streamlearner.app.parts import make_association, make_augmentation, make_chance, make_memory
from streamlearner.config.loading import Config
from streamlearner.methods import METHODS
from streamlearner.methods.base import DualMemory
from streamlearner.networks.base import Network


def make_active_long_term(
    config: Config, *, network: Network, input_shape: tuple[int, ...], dtype: torch.dtype
) -> DualMemory:
    """A fresh one, around this network."""
    method, chance = config.method, make_chance(config)
    association = make_association(config, input_shape=input_shape, dtype=dtype, chance=chance)
    return METHODS["active_long_term"](
        chance=chance,
        network=network,
        association=association,
        memory=make_memory(config, association=association),
        augmentation=make_augmentation(config, input_shape=input_shape),
        learning_rate=network.learning_rate,
        distillation_weight=method.active_long_term.distillation_weight,
        replays=method.active_long_term.inputs == "replay",
        recollections_per_step=method.recollections_per_step,
        sleep_steps=config.sleep.steps,
        sleep_batch=config.sleep.batch_size,
        sleep_learning_rate=config.sleep.learning_rate,
    )
