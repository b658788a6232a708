"""The configured DGM: a classifier, a masked generator, and the codes that wait to be learned by it."""

from __future__ import annotations

import torch

from streamlearner.app.parts import make_association, make_augmentation, make_chance, make_memory
from streamlearner.config.loading import Config
from streamlearner.generative.mask_learning import Course
from streamlearner.generative.masked_network import MaskedNetwork
from streamlearner.methods import METHODS
from streamlearner.methods.base import DualMemory
from streamlearner.networks.base import Network


def make_masked_generator(
    config: Config, *, network: Network, input_shape: tuple[int, ...], dtype: torch.dtype
) -> DualMemory:
    """A fresh one, around this network."""
    section, chance = config.method.masked_generator, make_chance(config)
    association = make_association(config, input_shape=input_shape, dtype=dtype, chance=chance)
    return METHODS["masked_generator"](
        chance=chance,
        network=network,
        generator=MaskedNetwork(
            input_shape=input_shape,
            latents=section.latents,
            units=(section.units, 2 * section.units),
            chance=chance.generator,
        ),
        association=association,
        memory=make_memory(config, association=association),
        augmentation=make_augmentation(config, input_shape=input_shape),
        learning_rate=network.learning_rate,
        course=Course(
            steps=section.steps,
            batch_size=section.batch_size,
            learning_rate=section.generator_learning_rate,
            sharpest=section.s_max,
            sparsity=section.sparsity,
            gradient_penalty=section.gradient_penalty,
            hidden=2 * section.units,
        ),
        least_examples=section.least_examples,
        recollections_per_step=config.method.recollections_per_step,
        sleep_steps=config.sleep.steps,
        sleep_batch=config.sleep.batch_size,
        sleep_learning_rate=config.sleep.learning_rate,
    )
