"""What the planner asks of associations: those that a daemon with its settings would begin with."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import torch

from streamlearner.app.parts import make_association
from streamlearner.associations.gumbel import parameter_bits
from streamlearner.config.loading import load
from streamlearner.memory.plan import Coding, Measure, Measured
from streamlearner.methods.answering import Answering
from streamlearner.methods.base import Rng


def measure_for(input_shape: tuple[int, ...]) -> Measure:
    """Measures associations for raw inputs of this shape: images of bytes, or float32 features."""
    dtype = torch.uint8 if len(input_shape) == 3 else torch.float32

    @cache
    def measure(coding: Coding) -> Measured:
        if coding.association == "gumbel":  # the paper's larger ones take gigabytes
            size = {"variables": coding.variables, "levels": coding.levels}
            radices = (coding.levels,) * coding.variables
            return Measured(radices, parameter_bits(input_shape=input_shape, **size))
        config = load(path=None, settings=coding.settings(), environ={})
        association = make_association(config, input_shape=input_shape, dtype=dtype, rng=Rng(seed=0))
        return Measured(association.radices, association.parameter_bits())

    return measure


def statistics_for(input_shape: tuple[int, ...], *, classes: int) -> Callable[[int], int]:
    """What statistics of so many classes keep of a budget in bits, in the default method."""
    return cache(lambda budget_bits: settled_bits(budget_bits, input_shape=input_shape, classes=classes))


def settled_bits(budget_bits: int, *, input_shape: tuple[int, ...], classes: int) -> int:
    """What statistics keep of the budget once a network answers: 0 where that is too little to be of use."""
    answering = Answering(budget_bits=budget_bits, input_shape=input_shape, seed=0)
    answering.grow(classes)
    answering.settle()
    return budget_bits - answering.bits_for_recollections
