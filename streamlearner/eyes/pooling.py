"""What a network gives, as one vector for each image: means over places."""

from __future__ import annotations

import torch
from torch import Tensor

from streamlearner.errors import ConfigError


def averaging(before: int, after: int) -> Tensor:
    """The matrix [after, before] of means over so many parts of a side, as equal as can be."""
    found = torch.zeros(after, before)
    for part in range(after):
        start, end = part * before // after, -(-(part + 1) * before // after)
        found[part, start:end] = 1 / (end - start)
    return found


def pooled(made: object, *, places: int = 1) -> Tensor:
    """[n, d], or [n, d * places * places], of what a network gives. Raises `ConfigError`."""
    if isinstance(made, Tensor) and made.ndim == 4 and 1 < places <= min(made.shape[2:]):
        down, across = (averaging(side, places).to(made.device) for side in made.shape[2:])
        return (down @ made.to(torch.float32) @ across.T).flatten(1)
    if places > 1:
        raise ConfigError(_too_many(made, places))
    if isinstance(made, Tensor) and made.ndim == 4:
        return made.mean((2, 3), dtype=torch.float32)
    if isinstance(made, Tensor) and made.ndim == 3:
        return made.mean(1, dtype=torch.float32)
    if isinstance(made, Tensor) and made.ndim == 2:
        return made
    found = f"a tensor {list(made.shape)}" if isinstance(made, Tensor) else f"a {type(made).__name__}"
    expected = "features [n, d], maps [n, d, h, w] or tokens [n, t, d]"
    raise ConfigError(f"an eye gave {found}; expected {expected} (eye.layer cuts the network there)")


def _too_many(made: object, places: int) -> str:
    found = f"{list(made.shape)}" if isinstance(made, Tensor) else f"a {type(made).__name__}"
    return (
        f"eye.places is {places}, but the eye gives {found}: expected maps [n, d, h, w] of at least as many "
        "places a side (eye.layer cuts the network where it has them)"
    )
