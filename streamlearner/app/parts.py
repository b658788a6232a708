"""What the configured learning is built of: networks, association, memory, augmentation, generators."""

from __future__ import annotations

from functools import partial

import torch

from streamlearner.associations.contract import Association, CodingContext
from streamlearner.associations.transferred import transfer
from streamlearner.config.loading import Config
from streamlearner.decoding.inputs import Limits
from streamlearner.errors import ConfigError
from streamlearner.eyes.by_name import build_eye
from streamlearner.eyes.by_name import check_eye as find_eye
from streamlearner.eyes.eye import Eye
from streamlearner.eyes.places import Places
from streamlearner.memory.code_size import association_for, code_bits_for, places_for
from streamlearner.memory.packing import CodeError
from streamlearner.memory.reservoir import RecollectionMemory
from streamlearner.methods.base import Rng
from streamlearner.networks.augmentation import Augmentation
from streamlearner.networks.base import Network
from streamlearner.networks.by_name import build_network, check_name, resolve_name
from streamlearner.networks.seeded import SEED_LIMIT
from streamlearner.registry.associations import ASSOCIATIONS
from streamlearner.registry.sampling import SAMPLING
from streamlearner.vision import torchvision as vision

SEEDS = {"network": 1, "memory": 2, "method": 3, "exam": 4, "transplant": 5}
"""Each random generator gets its own seed, so that a change in one draws nothing from another."""

PRETRAINED = "pretrained"
"""Under state_dir, so that a restart needs no download."""


def make_network(config: Config, *, input_shape: tuple[int, ...], name: str | None = None) -> Network:
    """A fresh network, by default the configured one; its step size is the configured one, if any is.
    Pretrained weights are the configured network's alone."""
    configured = resolve_name(name=config.network.name, input_shape=input_shape)
    wanted = name or configured
    network = build_network(
        name=wanted,
        input_shape=input_shape,
        generator=_generator(config, "network"),
        settings=config.network.settings_of(wanted),
        weights=config.network.weights if wanted == configured else None,
        weights_folder=config.state_dir / PRETRAINED,
    )
    network.learning_rate = config.method.learning_rate or network.learning_rate
    return network.to(config.device)


def make_limits(config: Config) -> Limits:
    """What one input may be."""
    section = config.codec
    missing = frozenset(value for value in section.missing_values if value != "nan")
    return Limits(
        message_bytes=section.max_message_bytes,
        pixels=section.max_pixels,
        missing=missing if section.missing_values else None,
    )


def check_network(config: Config, *, fetch: bool = False) -> None:
    """Raises ConfigError for a network that torchvision does not know, or weights that it has not; with
    `fetch` also where they cannot be had."""
    section = config.network
    if not section.is_of_torchvision:
        return
    try:
        check_name(section.name)
    except ValueError as error:
        raise ConfigError(f"network.name: {error}") from None
    if section.weights and fetch:
        vision.backbone(section.name, weights=section.weights, folder=config.state_dir / PRETRAINED)
    elif section.weights:
        vision.pretrained(section.name, section.weights)


def check_eye(config: Config) -> None:
    """Raises ConfigError for an eye that nothing has; builds and fetches nothing."""
    if config.eye.is_open:
        find_eye(config.eye.name, weights=config.eye.weights)


def make_eye(config: Config) -> Eye | None:
    """The configured eye, if any: read, or fetched, and tried. Raises ConfigError."""
    section = config.eye
    if not section.is_open:
        return None
    check_device(config)
    return build_eye(
        section.name,
        weights=section.weights,
        weights_folder=config.state_dir / PRETRAINED,
        input_size=section.input_size,
        mean=section.mean,
        deviation=section.deviation,
        layer=section.layer,
        mirrored=bool(section.mirrored),
        places=_places(config),
        device=config.device,
        half_precision=config.precision == "bf16",
    )


def _places(config: Config) -> Places:
    """As set, or by the planner's rule."""
    if config.eye.places != "auto":
        return config.eye.places or 1
    answers = getattr(config.method.settings_of(), "statistics", config.method.name == "streaming_statistics")
    return partial(places_for, budget_bits=config.memory.budget_bits, statistics=bool(answers))


def check_device(config: Config) -> None:
    """Raises ConfigError for a device that this machine, or this build of torch, has not, or that holds no
    numbers (meta)."""
    try:
        torch.zeros(1, device=config.device).item()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ConfigError(f"device: {config.device} cannot be used: {str(error).splitlines()[0]}") from error


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
        flip_is_open=method.flip is None,
    )


def make_memory(config: Config, *, association: Association) -> RecollectionMemory:
    """Raises ConfigError where the budget does not hold one code."""
    settings = config.memory.settings_of()
    try:
        memory: RecollectionMemory = SAMPLING.find(config.memory.sampling).load()(
            budget_bits=config.memory.budget_bits,
            radices=association.radices,
            generator=_generator(config, "memory"),
            **dict(settings or ()),
        )
    except CodeError as error:
        raise ConfigError(f"memory.budget_bits: {error}") from error
    memory.id_bits = config.memory.id_bits
    return memory


def make_association(
    config: Config, *, input_shape: tuple[int, ...], dtype: torch.dtype, rng: Rng
) -> Association:
    """The configured association (`auto`: by input shape), from its prior or from the state that is named."""
    section = config.association
    name = association_for(section.name, input_shape=input_shape)
    bits = code_bits_for(name, input_shape=input_shape, budget_bits=config.memory.budget_bits)
    context = CodingContext(
        input_shape=input_shape,
        dtype=dtype,
        code_bits=section.code_bits or bits,
        generator=rng.generator,
        is_fixed=section.code_bits is not None,
    )
    made: Association = ASSOCIATIONS.find(name).load().build(section.settings_of(name), context)
    return transfer(made, section.from_checkpoint) if section.from_checkpoint else made


def seed_of(config: Config, purpose: str) -> int:
    """The seed of the generator for `purpose`, one of `SEEDS`."""
    return (config.seed * 1000 + SEEDS[purpose]) % SEED_LIMIT


def _generator(config: Config, purpose: str) -> torch.Generator:
    return torch.Generator().manual_seed(seed_of(config, purpose))
