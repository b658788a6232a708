"""The configured DGDMN, short-term generative memories and a long-term one around the network; and DGR."""

from __future__ import annotations

import math

import torch

from streamlearner.app.parts import make_chance, seed_of
from streamlearner.config.loading import Config
from streamlearner.config.methods.generative_dual_memory import GenerativeDualMemorySection
from streamlearner.generative.generative_memory import GenerativeMemory
from streamlearner.generative.variational_autoencoder import VariationalAutoencoder
from streamlearner.methods import METHODS
from streamlearner.methods.base import DualMemory
from streamlearner.networks.base import Network
from streamlearner.networks.by_name import mlp


def make_generative_dual_memory(
    config: Config, *, network: Network, input_shape: tuple[int, ...], dtype: torch.dtype
) -> DualMemory:
    """A fresh one, whose long-term learner is this network."""
    section = config.method.generative_dual_memory
    kappa = _kappa(section)
    with torch.random.fork_rng(devices=[]):  # torch initialises from the global generator: lend it our seed
        torch.manual_seed(seed_of(config, "method"))
        learner = mlp(input_shape=input_shape, hidden=(section.hidden,))
        blank = GenerativeMemory(generator=_generator(section, 1, input_shape), learner=learner)
        long_term = GenerativeMemory(generator=_generator(section, 2, input_shape), learner=network)
    return METHODS["generative_dual_memory"](
        chance=make_chance(config),
        blank=blank,
        long_term=long_term,
        task_from=section.task_from,
        short_term_tasks=section.short_term_tasks or max(1, math.floor(0.25 / kappa) if kappa else 1),
        kappa=kappa,
        most_samples=section.most_samples,
        learning_rate=network.learning_rate,
        steps=section.steps,
        sleep_steps=config.sleep.steps,
        sleep_batch=config.sleep.batch_size,
    )


def make_deep_generative_replay(
    config: Config, *, network: Network, input_shape: tuple[int, ...], dtype: torch.dtype
) -> DualMemory:
    """A fresh DGR, whose generator is as large as the long-term one of DGDMN, and learns as that does."""
    section = config.method.generative_dual_memory
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_of(config, "method"))
        scholar = GenerativeMemory(generator=_generator(section, 2, input_shape), learner=network)
    return METHODS["deep_generative_replay"](
        chance=make_chance(config),
        scholar=scholar,
        task_from=section.task_from,
        kappa=_kappa(section),
        most_samples=section.most_samples,
        learning_rate=network.learning_rate,
        steps=section.steps,
    )


def _kappa(section: GenerativeDualMemorySection) -> float:
    return 0.5 / section.expected_tasks if section.kappa is None else section.kappa


def _generator(
    section: GenerativeDualMemorySection, size: int, input_shape: tuple[int, ...]
) -> VariationalAutoencoder:
    """Of the size of a short-term one, or so many times as wide."""
    return VariationalAutoencoder(
        input_shape=input_shape,
        hidden=size * section.hidden,
        latents=size * section.latents,
        learning_rate=section.generator_learning_rate,
        denoising=section.denoising,
    )
