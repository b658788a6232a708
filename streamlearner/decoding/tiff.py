"""TIFF, as `datasets` writes what PNG cannot hold: palettes with alpha, CMYK, 16 and 32 bits."""

from __future__ import annotations

from io import BytesIO
from typing import Final, Literal

from PIL import ExifTags, TiffImagePlugin
from PIL.TiffImagePlugin import TiffImageFile

from streamlearner.decoding.orientation import UPRIGHT
from streamlearner.errors import InvalidInput

_COMPRESSIONS: Final = frozenset({"raw", "packbits", "tiff_lzw", "tiff_adobe_deflate", "tiff_deflate"})
"""The lossless ones. JPEG, WebP and fax in a TIFF would bring decoders of their own, each with claims of its
own."""

_WHITE_IS_ZERO: Final = 0
"""A photometric interpretation. Pillow turns it round in 8 bits and forgets it in 16."""

_ENTRY_BYTES: Final = 12
_TYPE_BYTES: Final = (0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8)
"""Of one value of each type of TIFF 6.0."""


def open_tiff(data: bytes) -> StillTiff:
    """Raises `InvalidInput` for what is cut off or of several pages; Pillow would warn about the former,
    process-wide."""
    order: Literal["little", "big"] = "little" if data.startswith(b"II") else "big"

    def number(place: int, length: int) -> int:
        return int.from_bytes(data[place : place + length], order)

    first = number(4, 4)
    ends = [first + 2 + number(first, 2) * _ENTRY_BYTES + 4]
    if ends[0] <= len(data):
        for place in range(first + 2, ends[0] - 4, _ENTRY_BYTES):
            kind = number(place + 2, 2)
            size = number(place + 4, 4) * (_TYPE_BYTES[kind] if kind < len(_TYPE_BYTES) else 0)
            ends.append(number(place + 8, 4) + size if size > 4 else 0)
    if max(ends) > len(data):
        found = f"TIFF of {len(data)} bytes has tags up to byte {max(ends)}"
        raise InvalidInput("image", f"{found}; expected a whole file")
    return StillTiff(BytesIO(data))


class StillTiff(TiffImageFile):
    """A TIFF of one page. Pillow would turn it by its orientation while it loads; here that is asked for."""

    orientation = UPRIGHT
    bits = 8

    def _setup(self) -> None:
        found = self.tag_v2.pop(ExifTags.Base.Orientation, UPRIGHT)
        super()._setup()
        self.orientation = found if isinstance(found, int) and 1 <= found <= 8 else UPRIGHT
        self.bits = max(self.tag_v2.get(TiffImagePlugin.BITSPERSAMPLE, (1,)))
        if self._compression not in _COMPRESSIONS:
            expected = f"expected one of {', '.join(sorted(_COMPRESSIONS))}"
            raise InvalidInput("image", f"TIFF is compressed by {self._compression}; {expected}")

        if self.bits > 8 and self.tag_v2.get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION) == _WHITE_IS_ZERO:
            raise InvalidInput("image", f"TIFF of {self.bits} bits calls white 0; expected black as 0")

    def _open(self) -> None:
        super()._open()
        if self.is_animated:
            raise InvalidInput("image", "TIFF has several pages; expected one")

    def load_end(self) -> None:
        """Pillow's would turn the pixels."""
