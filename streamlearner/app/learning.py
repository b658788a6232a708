"""The configured learning: network, association, memory and method for inputs of one schema."""

from __future__ import annotations

import time

import torch

from streamlearner.association import Association
from streamlearner.augmentation import Augmentation
from streamlearner.balanced_recollection import BalancedRecollectionMemory
from streamlearner.codec import Schema
from streamlearner.config import Config
from streamlearner.evaluation.exam import Exam
from streamlearner.evaluation.prequential import Prequential
from streamlearner.gumbel_association import GumbelAssociation
from streamlearner.learner import Learner
from streamlearner.lossless import RawAssociation
from streamlearner.methods import METHODS
from streamlearner.methods.base import Chance, DualMemory
from streamlearner.network import Network
from streamlearner.networks import build as build_network
from streamlearner.precision import choose
from streamlearner.recollection import RecollectionMemory
from streamlearner.transform_association import TransformAssociation

SEEDS = {"network": 1, "memory": 2, "method": 3, "exam": 4}
"""Each random generator gets its own seed, so that a change in one draws nothing from another."""


def make_learner(config: Config, *, schema: Schema) -> Learner:
    """A fresh learner for inputs of this schema: the same for the same config (and machine, with `auto`)."""
    dtype = getattr(torch, schema.dtype)
    probe = make_network(config, input_shape=schema.shape)
    half = choose(probe, setting=config.precision, input_shape=schema.shape, clock=time.perf_counter)
    return Learner(
        make_method=lambda: make_method(config, input_shape=schema.shape, dtype=dtype, half_precision=half),
        exam=Exam(
            budget_bits=config.exam.budget_bits,
            fraction=config.exam.fraction,
            input_shape=schema.shape,
            dtype=dtype,
            seed=config.seed * 1000 + SEEDS["exam"],
        ),
        prequential=Prequential(window=config.evaluation.prequential_window),
        tolerance=config.sleep.tolerance,
        measures_readout=config.evaluation.readout,
        uses_tasks=config.codec.tasks == "use",
    )


def make_network(config: Config, *, input_shape: tuple[int, ...]) -> Network:
    network = build_network(
        name=config.network.name, input_shape=input_shape, generator=_generator(config, "network")
    )
    return network.to(config.device)


def make_method(
    config: Config, *, input_shape: tuple[int, ...], dtype: torch.dtype, half_precision: bool = False
) -> DualMemory:
    """A fresh method by name; each takes what it needs."""
    method = config.method
    network = make_network(config, input_shape=input_shape)
    network.half_precision = half_precision
    rate = method.learning_rate or network.learning_rate
    if method.name == "finetune":
        return METHODS["finetune"](network=network, learning_rate=rate)
    if method.name == "rehearsal":
        raw = RawAssociation(input_shape=input_shape, dtype=dtype)
        return METHODS["rehearsal"](
            network=network,
            association=raw,
            memory=make_memory(config, association=raw),
            learning_rate=rate,
            recollections_per_step=method.recollections_per_step,
        )
    chance = Chance(seed=config.seed * 1000 + SEEDS["method"])
    association = make_association(config, input_shape=input_shape, dtype=dtype, chance=chance)
    return METHODS["recollection_replay"](
        chance=chance,
        network=network,
        association=association,
        memory=make_memory(config, association=association),
        augmentation=make_augmentation(config, input_shape=input_shape),
        learning_rate=rate,
        recollections_per_step=method.recollections_per_step,
        echoes_per_step=method.echoes_per_step,
        steps=method.steps,
        averaging_pace=method.averaging_pace,
        distillation=method.distillation,
        sleep_steps=config.sleep.steps,
        sleep_batch=config.sleep.batch_size,
        sleep_learning_rate=config.sleep.learning_rate or rate,
    )


def make_augmentation(config: Config, *, input_shape: tuple[int, ...]) -> Augmentation:
    """What is not set is chosen by input shape: mirror images for colour only, turns for one channel only."""
    method, colour = config.method, len(input_shape) == 3 and input_shape[0] > 1
    return Augmentation(
        shift_pixels=input_shape[-1] // 12 if method.shift_pixels is None else method.shift_pixels,
        rotation_degrees=(0.0 if colour else 12.0)
        if method.rotation_degrees is None
        else method.rotation_degrees,
        scaling=(0.0 if colour else 0.1) if method.scaling is None else method.scaling,
        flip=colour if method.flip is None else method.flip,
    )


def make_memory(config: Config, *, association: Association) -> RecollectionMemory:
    kind = BalancedRecollectionMemory if config.memory.sampling == "balanced" else RecollectionMemory
    return kind(
        budget_bits=config.memory.budget_bits,
        radices=association.radices,
        generator=_generator(config, "memory"),
    )


def make_association(
    config: Config, *, input_shape: tuple[int, ...], dtype: torch.dtype, chance: Chance
) -> Association:
    """By name, or by input shape: block means of grey images, cosines of colour, quantised features."""
    section = config.association
    name = section.name
    grey = len(input_shape) == 3 and input_shape[0] == 1
    if name == "auto":
        name = "thumbnail" if grey and min(input_shape[1:]) >= 16 else "transform"
    if name == "raw":
        return RawAssociation(input_shape=input_shape, dtype=dtype)
    if name == "gumbel":
        return GumbelAssociation(
            input_shape=input_shape,
            variables=section.variables,
            levels=section.levels,
            generator=chance.generator,
            learning_rate=section.learning_rate,
        )
    values = input_shape[0] * (input_shape[1] * input_shape[2] if len(input_shape) == 3 else 1)
    default_bits = 240 if len(input_shape) == 3 and not grey else min(256, 2 * values)
    if name == "thumbnail":  # chosen on held-out MNIST: more detail pays once there are codes enough
        default_bits = 100 if config.memory.budget_bits < 200_000 else 140
    return TransformAssociation(
        input_shape=input_shape,
        code_bits=section.code_bits or default_bits,
        most_symbol_bits=1 if name == "thumbnail" else 5,
        thumbnail_pixels=2 if name == "thumbnail" else 0,
    )


def _generator(config: Config, purpose: str) -> torch.Generator:
    return torch.Generator().manual_seed(config.seed * 1000 + SEEDS[purpose])
