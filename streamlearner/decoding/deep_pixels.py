"""Grey pixels of more than 8 bits to 8."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from streamlearner.errors import InvalidInput

DEEP_GREY: Final = frozenset({"I;16", "I;16B", "I;16L", "I;16N", "I", "F"})
"""Pillow's modes. Its own conversion to 8 bits clips: all above 255 would be white."""


def deep_grey(image: Image.Image, *, bits: int) -> NDArray[np.uint8]:
    """[1, H, W] of 9 to 16 bits (the upper 8 stay), of integers 0..255, or of floats 0..1. Raises
    `InvalidInput`."""
    values = np.asarray(image)
    if image.mode == "F":
        return _scaled(values)[np.newaxis]
    if image.mode == "I":
        low, high = int(values.min()), int(values.max())
        if low < 0 or high > 255:
            raise InvalidInput("value", f"32-bit image holds {low} to {high}; expected 0..255")
        return values.astype(np.uint8)[np.newaxis]
    pixels = (values >> bits - 8).astype(np.uint8)
    clear = image.info.get("transparency")
    if isinstance(clear, int):
        pixels = np.where(values == clear, np.uint8(255), pixels)
    return pixels[np.newaxis]


def black_refused(pixels: NDArray[np.uint8]) -> None:
    """`pixels`: the upper 8 bits of more. Raises `InvalidInput` where nothing else than black is left."""
    if not pixels.any():
        found = "image of 16 bits has nothing in its upper 8, and would be black"
        raise InvalidInput("image", f"{found}; expected values over the whole range (rescale it)")


def _scaled(values: NDArray[Any]) -> NDArray[np.uint8]:
    low, high = float(values.min()), float(values.max())
    if not (low >= 0.0 and high <= 1.0):  # so written, NaN is refused too
        raise InvalidInput("value", f"float image holds {low:.6g} to {high:.6g}; expected 0..1")
    return np.rint(values * 255.0).astype(np.uint8)
