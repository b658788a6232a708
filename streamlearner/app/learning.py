"""The configured learning: a learner, and its method, for inputs of one schema."""

from __future__ import annotations

import time
from functools import cache

import torch

from streamlearner.app.parts import (
    make_association,
    make_augmentation,
    make_limits,
    make_memory,
    make_network,
    seed_of,
)
from streamlearner.config.loading import Config
from streamlearner.decoding.codec import Schema
from streamlearner.errors import ConfigError
from streamlearner.evaluation.exam import Exam
from streamlearner.evaluation.prequential import Prequential
from streamlearner.eyes.eye import Eye
from streamlearner.learning.learner import Learner
from streamlearner.methods.base import DualMemory
from streamlearner.methods.components import Components, Sleep
from streamlearner.networks.base import Network
from streamlearner.networks.by_name import resolve_name
from streamlearner.networks.imputation import MeanImputation
from streamlearner.networks.precision import choose
from streamlearner.registry.methods import METHODS, LateFreezeSection
from streamlearner.registry.part import TARGET


def make_learner(config: Config, *, schema: Schema, eye: Eye | None = None) -> Learner:
    """A fresh learner for inputs of this schema: the same for the same config (and machine, with `auto`).
    With an `eye`, all of it but the predictor takes what the eye makes of them."""
    eye = eye and eye.for_inputs(schema.shape)
    ordered = bool(eye and eye.ordered) if config.eye.ordered is None else config.eye.ordered
    seen = Schema(shape=(eye.features,), dtype="float32") if eye else schema
    dtype, shape = getattr(torch, seen.dtype), seen.shape

    @cache
    def half_precision(name: str) -> bool:
        probe = make_network(config, name=name, input_shape=shape)
        return choose(probe, setting=config.precision, input_shape=shape, clock=time.perf_counter)

    def network(name: str) -> Network:
        if TARGET.fullmatch(name) and name != config.network.name:  # of a request, or of a checkpoint
            raise ConfigError(f"{name} is code that only the configuration may name: set network.name to it")
        if (meant := resolve_name(name=name, input_shape=shape)) != name:
            raise ValueError(f"{name} is no network of its own: for these inputs it means {meant}")
        made = make_network(config, name=name, input_shape=shape)
        made.half_precision = half_precision(name)
        return made

    return Learner(
        make_method=lambda name: make_method(
            config, network=network(name), input_shape=shape, dtype=dtype, ordered=ordered and len(shape) == 1
        ),
        make_network=network,
        network=resolve_name(name=config.network.name, input_shape=shape),
        seed=seed_of(config, "transplant"),
        exam=_exam(config, shape=shape, dtype=dtype),
        prequential=Prequential(window=config.evaluation.prequential_window),
        tolerance=config.sleep.tolerance,
        significance=config.sleep.significance,
        measures_readout=config.evaluation.readout,
        uses_tasks=config.codec.tasks == "use",
        eye=eye,
        missing=_imputation(config, shape=shape),
        usual_batch=config.daemon.smallest_batch if config.daemon.batch_size == "auto" else None,
    )


def _exam(config: Config, *, shape: tuple[int, ...], dtype: torch.dtype) -> Exam:
    return Exam(
        budget_bits=config.exam.budget_bits,
        fraction=config.exam.fraction,
        input_shape=shape,
        dtype=dtype,
        seed=seed_of(config, "exam"),
        image_bytes=config.exam.image_bytes,
    )


def _imputation(config: Config, *, shape: tuple[int, ...]) -> MeanImputation | None:
    """None where no number may be missing."""
    values = make_limits(config).missing
    if values is None or len(shape) != 1:
        return None
    return MeanImputation(features=shape[0], values=values)


def make_method(
    config: Config,
    *,
    input_shape: tuple[int, ...],
    dtype: torch.dtype,
    network: Network | None = None,
    ordered: bool = False,
) -> DualMemory:
    """A fresh method by name, with this network or the configured one; it takes what it needs."""
    kind: type[DualMemory] = METHODS.find(config.method.name).load()
    components = Components(
        input_shape=input_shape,
        dtype=dtype,
        ordered=ordered,
        network=network or make_network(config, input_shape=input_shape),
        augmentation=make_augmentation(config, input_shape=input_shape),
        recollections_per_step=config.method.recollections_per_step,
        steps=config.method.steps,
        budget_bits=config.memory.budget_bits,
        sleep=Sleep(config.sleep.steps, config.sleep.batch_size, config.sleep.learning_rate),
        seed=seed_of(config, "method"),
        make_association=lambda rng: make_association(config, input_shape=input_shape, dtype=dtype, rng=rng),
        make_memory=lambda association: make_memory(config, association=association),
    )
    return kind.build(config.method.settings_of(), components)


def check_method(config: Config) -> None:
    """Raises ConfigError where the configured method could not be made, whatever the inputs."""
    kind: type[DualMemory] = METHODS.find(config.method.name).load()
    if config.daemon.when_behind == "thin" and not kind.thins:
        raise ConfigError(
            f"daemon.when_behind: thin is for methods that can leave steps out; {config.method.name} learns "
            "each example by what else it keeps: set daemon.when_behind to wait"
        )
    settings = config.method.settings_of()
    if isinstance(settings, LateFreezeSection) and settings.patience and not config.evaluation.readout:
        raise ConfigError(
            "evaluation.readout is false, but method.late_freeze.patience heeds it: set it to true, or leave "
            "patience out"
        )
    kind.check(settings)
