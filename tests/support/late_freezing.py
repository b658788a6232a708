"""Learners that freeze their own lower half, and digits for them."""

from __future__ import annotations

import torch
from sklearn.datasets import load_digits
from torch import Tensor

from streamlearner.app.learning import make_method
from streamlearner.config.loading import load
from streamlearner.methods.base import Experience
from streamlearner.methods.late_freeze import LateFreeze

BUDGET = 24_000
AT = 300
"""Examples after which it freezes."""


def digits() -> tuple[Tensor, Tensor]:
    """Of 8 x 8 pixels, in class order by halves: 0 to 4, then 5 to 9."""
    values, labels = load_digits(return_X_y=True)
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))
    images = torch.tensor(values * 15, dtype=torch.uint8).view(-1, 1, 8, 8)[order]
    found = torch.tensor(labels)[order]
    halves = torch.argsort((found >= 5).long(), stable=True)
    return images[halves], found[halves]


def method(shape: tuple[int, ...] = (1, 8, 8), **settings: object) -> LateFreeze:
    named = {
        "method.name": "late_freeze", "method.late_freeze.freeze_after": AT, "memory.budget_bits": BUDGET,
        "precision": "fp32",
    }  # fmt: skip
    config = load(path=None, settings=named | settings, environ={})
    dtype = torch.uint8 if len(shape) == 3 else torch.float32
    made = make_method(config, input_shape=shape, dtype=dtype)
    assert isinstance(made, LateFreeze)
    return made


def observe(learner: LateFreeze, first: int, last: int) -> None:
    """Batches of ten."""
    images, labels = digits()
    for batch in range(first, last):
        part = slice(batch * 10, batch * 10 + 10)
        learner.observe(Experience(images[part], labels[part]))
        assert sum(learner.stored_bits().values()) <= BUDGET
