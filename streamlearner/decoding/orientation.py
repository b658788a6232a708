"""How a picture is to be turned: the one EXIF tag that changes what is seen.

Read here, as Pillow's parser of EXIF warns, process-wide, about forged ones.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

UPRIGHT: Final = 1
_TAG: Final = 0x0112
_ORDERS: Final[dict[bytes, str]] = {b"II*\0": "little", b"MM\0*": "big"}
_ENTRY_BYTES: Final = 12
_MOST_ENTRIES: Final = 1_000


def read_orientation(exif: bytes) -> int:
    """1 to 8, as EXIF 2.32 numbers them; 1 (upright) where the EXIF block says nothing that can be read."""
    block = exif.removeprefix(b"Exif\0\0")
    order = _ORDERS.get(block[:4])
    if order is None:
        return UPRIGHT

    def number(place: int, length: int) -> int:
        return int.from_bytes(block[place : place + length], "little" if order == "little" else "big")

    start = number(4, 4)
    for entry in range(min(number(start, 2), _MOST_ENTRIES)):
        place = start + 2 + entry * _ENTRY_BYTES
        if number(place, 2) == _TAG:
            is_short = (number(place + 2, 2), number(place + 4, 4)) == (3, 1)
            found = number(place + 8, 2)
            return found if is_short and 1 <= found <= 8 else UPRIGHT
    return UPRIGHT


def swaps_sides(orientation: int) -> bool:
    """Whether height and width change places."""
    return orientation >= 5


def upright(pixels: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """`pixels` [C, H, W] as they are to be seen; a view."""
    if swaps_sides(orientation):
        pixels = pixels.transpose(0, 2, 1)
    if orientation in (3, 4, 7, 8):  # the rows run from the bottom
        pixels = pixels[:, ::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, :, ::-1]
    return pixels
