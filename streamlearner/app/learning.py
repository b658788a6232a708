"""The configured learning: network, association, memory and method for inputs of one schema."""

from __future__ import annotations

import time
from functools import cache

import torch

from streamlearner import vision
from streamlearner.association import Association
from streamlearner.augmentation import Augmentation
from streamlearner.balanced_recollection import BalancedRecollectionMemory
from streamlearner.code_size import association_for, code_bits_for
from streamlearner.codec import Schema
from streamlearner.config import Config
from streamlearner.errors import ConfigError
from streamlearner.evaluation.exam import Exam
from streamlearner.evaluation.prequential import Prequential
from streamlearner.gumbel_association import GumbelAssociation
from streamlearner.learner import Learner
from streamlearner.lossless import RawAssociation
from streamlearner.methods import METHODS
from streamlearner.methods.base import Chance, DualMemory
from streamlearner.methods.recalling import Recall
from streamlearner.network import Network
from streamlearner.networks import build as build_network
from streamlearner.networks import check_name, resolve
from streamlearner.precision import choose
from streamlearner.recollection import RecollectionMemory
from streamlearner.transferred_association import transfer
from streamlearner.transform_association import TransformAssociation
from streamlearner.trellis_association import TrellisAssociation

SEEDS = {"network": 1, "memory": 2, "method": 3, "exam": 4, "transplant": 5}
"""Each random generator gets its own seed, so that a change in one draws nothing from another."""

PRETRAINED = "pretrained"
"""Under state_dir, so that a restart needs no download."""


def make_learner(config: Config, *, schema: Schema) -> Learner:
    """A fresh learner for inputs of this schema: the same for the same config (and machine, with `auto`)."""
    dtype, shape = getattr(torch, schema.dtype), schema.shape

    @cache
    def half_precision(name: str) -> bool:
        probe = make_network(config, name=name, input_shape=shape)
        return choose(probe, setting=config.precision, input_shape=shape, clock=time.perf_counter)

    def network(name: str) -> Network:
        if (meant := resolve(name=name, input_shape=shape)) != name:
            raise ValueError(f"{name} is no network of its own: for these inputs it means {meant}")
        made = make_network(config, name=name, input_shape=shape)
        made.half_precision = half_precision(name)
        return made

    return Learner(
        make_method=lambda name: make_method(config, network=network(name), input_shape=shape, dtype=dtype),
        make_network=network,
        network=resolve(name=config.network.name, input_shape=shape),
        seed=config.seed * 1000 + SEEDS["transplant"],
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


def make_network(config: Config, *, input_shape: tuple[int, ...], name: str | None = None) -> Network:
    """A fresh network, by default the configured one; its step size is the configured one, if any is.
    Pretrained weights are the configured network's alone."""
    configured = resolve(name=config.network.name, input_shape=input_shape)
    network = build_network(
        name=name or configured,
        input_shape=input_shape,
        generator=_generator(config, "network"),
        weights=config.network.weights if name in (None, configured) else None,
        weights_folder=config.state_dir / PRETRAINED,
    )
    network.learning_rate = config.method.learning_rate or network.learning_rate
    return network.to(config.device)


def check_network(config: Config, *, fetch: bool = False) -> None:
    """Raises ConfigError for a network that torchvision does not know, or weights that it has not; with
    `fetch` also where they cannot be had."""
    section = config.network
    if section.is_ours:
        return
    try:
        check_name(section.name)
    except ValueError as error:
        raise ConfigError(f"network.name: {error}") from None
    if section.weights and fetch:
        vision.backbone(section.name, weights=section.weights, folder=config.state_dir / PRETRAINED)
    elif section.weights:
        vision.pretrained(section.name, section.weights)


def make_method(
    config: Config, *, input_shape: tuple[int, ...], dtype: torch.dtype, network: Network | None = None
) -> DualMemory:
    """A fresh method by name, with this network or the configured one; each takes what it needs."""
    method = config.method
    network = network or make_network(config, input_shape=input_shape)
    rate = network.learning_rate
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
        recall=Recall(
            recollections=method.recollections_per_step,
            echoes=method.echoes_per_step,
            candidates=method.candidates,
        ),
        steps=method.steps,
        averaging_pace=method.averaging_pace,
        distillation=method.distillation,
        teacher_targets=method.targets == "teacher",
        sleep_steps=config.sleep.steps,
        sleep_batch=config.sleep.batch_size,
        sleep_learning_rate=config.sleep.learning_rate,
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
    """The configured association, from its prior or from the state that is named."""
    association = _fresh_association(config, input_shape=input_shape, dtype=dtype, chance=chance)
    if config.association.from_checkpoint:
        transfer(association, config.association.from_checkpoint)
    return association


def _fresh_association(
    config: Config, *, input_shape: tuple[int, ...], dtype: torch.dtype, chance: Chance
) -> Association:
    """By name, or by input shape (`code_size.association_for`)."""
    section = config.association
    name = association_for(section.name, input_shape=input_shape)
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
    default_bits = code_bits_for(name, input_shape=input_shape, budget_bits=config.memory.budget_bits)
    code_bits = section.code_bits or default_bits
    if name == "trellis":
        return TrellisAssociation(input_shape=input_shape, code_bits=code_bits)
    return TransformAssociation(
        input_shape=input_shape,
        code_bits=code_bits,
        most_symbol_bits=1 if name == "thumbnail" else 5,
        thumbnail_pixels=2 if name == "thumbnail" else 0,
    )


def _generator(config: Config, purpose: str) -> torch.Generator:
    return torch.Generator().manual_seed(config.seed * 1000 + SEEDS[purpose])
