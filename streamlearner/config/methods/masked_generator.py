"""The settings of the method `masked_generator` alone."""

from __future__ import annotations

from pydantic import Field

from streamlearner.config.settings import Count, Section


class MaskedGeneratorSection(Section):
    """A generator whose units are reserved, class by class, by masks that it learns."""

    latents: Count = 32
    """normal variables of the generator"""
    units: Count = 128
    """free units of its first masked layer; the second has twice as many, and so has each layer of the
    critic"""
    steps: Count = 500
    """steps of generator and critic, in turn, for each class"""
    batch_size: int = Field(default=64, ge=2)
    """examples in each of them"""
    generator_learning_rate: float = Field(default=2e-3, gt=0)
    """step size of Adam, falling to 0 in the second half"""
    s_max: float = Field(default=100.0, gt=1)
    """how steep the masks are at the end of a class"""
    sparsity: float = Field(default=0.03, ge=0)
    """weight of taking few new units (lambda_RU), times all units over free ones"""
    gradient_penalty: float = Field(default=1.0, ge=0)
    """weight of the slope of the critic's score at real examples (lambda_GP)"""
    least_examples: int = Field(default=100, ge=2)
    """codes of a class that must be held before the generator learns it"""
