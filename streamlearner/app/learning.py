"""The configured learning: a learner, and its method, for inputs of one schema."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache

import torch

from streamlearner.app.methods.active_long_term import make_active_long_term
from streamlearner.app.methods.generative_dual_memory import (
    make_deep_generative_replay,
    make_generative_dual_memory,
)
from streamlearner.app.methods.masked_generator import make_masked_generator
from streamlearner.app.methods.meta_learned_update import check_gate_file, make_meta_learned_update
from streamlearner.app.parts import (
    make_association,
    make_augmentation,
    make_chance,
    make_memory,
    make_network,
    seed_of,
)
from streamlearner.associations.lossless import RawAssociation
from streamlearner.config.loading import Config
from streamlearner.decoding.codec import Schema
from streamlearner.evaluation.exam import Exam
from streamlearner.evaluation.prequential import Prequential
from streamlearner.learning.learner import Learner
from streamlearner.methods import METHODS
from streamlearner.methods.base import DualMemory
from streamlearner.methods.recalling import Recall
from streamlearner.networks.base import Network
from streamlearner.networks.by_name import resolve
from streamlearner.networks.precision import choose


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
        seed=seed_of(config, "transplant"),
        exam=Exam(
            budget_bits=config.exam.budget_bits,
            fraction=config.exam.fraction,
            input_shape=schema.shape,
            dtype=dtype,
            seed=seed_of(config, "exam"),
        ),
        prequential=Prequential(window=config.evaluation.prequential_window),
        tolerance=config.sleep.tolerance,
        measures_readout=config.evaluation.readout,
        uses_tasks=config.codec.tasks == "use",
    )


def make_method(
    config: Config, *, input_shape: tuple[int, ...], dtype: torch.dtype, network: Network | None = None
) -> DualMemory:
    """A fresh method by name, with this network or the configured one; each takes what it needs."""
    network = network or make_network(config, input_shape=input_shape)
    maker = MAKERS[config.method.name]
    return maker(config, network=network, input_shape=input_shape, dtype=dtype)


def _finetune(
    config: Config, *, network: Network, input_shape: tuple[int, ...], dtype: torch.dtype
) -> DualMemory:
    return METHODS["finetune"](
        network=network, learning_rate=network.learning_rate, steps=config.method.steps
    )


def _elastic_weight_consolidation(
    config: Config, *, network: Network, input_shape: tuple[int, ...], dtype: torch.dtype
) -> DualMemory:
    return METHODS["elastic_weight_consolidation"](
        network=network,
        learning_rate=network.learning_rate,
        weight=config.method.ewc_lambda,
        steps=config.method.steps,
    )


def _pseudopattern_rehearsal(
    config: Config, *, network: Network, input_shape: tuple[int, ...], dtype: torch.dtype
) -> DualMemory:
    return METHODS["pseudopattern_rehearsal"](
        chance=make_chance(config),
        network=network,
        learning_rate=network.learning_rate,
        recollections_per_step=config.method.recollections_per_step,
        steps=config.method.steps,
    )


def _rehearsal(
    config: Config, *, network: Network, input_shape: tuple[int, ...], dtype: torch.dtype
) -> DualMemory:
    raw = RawAssociation(input_shape=input_shape, dtype=dtype)
    return METHODS["rehearsal"](
        network=network,
        association=raw,
        memory=make_memory(config, association=raw),
        learning_rate=network.learning_rate,
        recollections_per_step=config.method.recollections_per_step,
        steps=config.method.steps,
    )


def _recollection_replay(
    config: Config, *, network: Network, input_shape: tuple[int, ...], dtype: torch.dtype
) -> DualMemory:
    method, chance = config.method, make_chance(config)
    association = make_association(config, input_shape=input_shape, dtype=dtype, chance=chance)
    return METHODS["recollection_replay"](
        chance=chance,
        network=network,
        association=association,
        memory=make_memory(config, association=association),
        augmentation=make_augmentation(config, input_shape=input_shape),
        learning_rate=network.learning_rate,
        recall=Recall(
            recollections=method.recollections_per_step,
            echoes=method.views_per_step,
            candidates=method.candidates,
        ),
        steps=method.steps,
        averaging_pace=round(1.0 - method.ema_decay, 12),
        distillation=method.distillation,
        teacher_targets=method.targets == "teacher",
        sleep_steps=config.sleep.steps,
        sleep_batch=config.sleep.batch_size,
        sleep_learning_rate=config.sleep.learning_rate,
    )


MAKERS: dict[str, Callable[..., DualMemory]] = {
    "recollection_replay": _recollection_replay,
    "active_long_term": make_active_long_term,
    "generative_dual_memory": make_generative_dual_memory,
    "masked_generator": make_masked_generator,
    "meta_learned_update": make_meta_learned_update,
    "deep_generative_replay": make_deep_generative_replay,
    "elastic_weight_consolidation": _elastic_weight_consolidation,
    "pseudopattern_rehearsal": _pseudopattern_rehearsal,
    "finetune": _finetune,
    "rehearsal": _rehearsal,
}
"""How each method is put together: `maker(config, network=, input_shape=, dtype=)`."""

CHECKS: dict[str, Callable[[Config], None]] = {"meta_learned_update": check_gate_file}
"""What a method needs beside its settings, looked for before the first input comes."""


def check_method(config: Config) -> None:
    """Raises ConfigError where the configured method could not be made, whatever the inputs."""
    if check := CHECKS.get(config.method.name):
        check(config)
