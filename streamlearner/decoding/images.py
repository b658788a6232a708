"""Encoded images: PNG, JPEG, WebP and TIFF bytes to channel-first uint8 pixels.

The rules, so that one picture always gives one tensor and nothing is lost silently:

- The content decides the format, not what the sender calls it; only these four are ever parsed.
- Grey (modes 1, L, LA, 16 bits) becomes [1, H, W]; all else (RGB, palette, RGBA, CMYK) [3, H, W].
- On a stream of one channel a picture in colour that shows greys only becomes one channel, too: a WebP or a
  palette cannot say that it is grey. One that shows colours stays what it is, and is refused by the schema.
- Transparent pixels are laid on white, as on a page.
- Of 16 bits a channel the upper 8 stay, which the formats define as the same picture. Where nothing would be
  left of it but black, it is refused: its values have another scale, which only the sender knows.
- TIFF of 32 bits holds 0..255 as integers, or 0..1 as floats, as arrays do.
- The EXIF orientation is applied, where the setting says so. Colour profiles are not.
- Animations, and TIFF of several pages, are refused: choosing one is the sender's decision.
"""

from __future__ import annotations

from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from streamlearner.decoding.deep_pixels import DEEP_GREY, black_refused, deep_grey
from streamlearner.decoding.image_signatures import JPEG, PNG, RIFF, TIFF
from streamlearner.decoding.orientation import UPRIGHT, read_orientation, swaps_sides, upright
from streamlearner.decoding.tiff import StillTiff, open_tiff
from streamlearner.errors import InvalidInput

Pixels = NDArray[np.uint8]

_PNG_BIT_DEPTH_AT = 24
_DEEP = range(9, 17)
_GREY = frozenset({"1", "L", "LA"})
_MODES = frozenset({"1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr"})
_SAME_GREY = 2
"""Red, green and blue of a grey pixel differ by one after a WebP's conversion, by none in PNG and JPEG."""


class _PlainJpeg(JpegImageFile):
    """A JPEG whose EXIF is not parsed by Pillow, which warns about a forged one."""

    def _read_dpi_from_exif(self) -> None:
        return


class _Png(PngImageFile):
    """A PNG that knows its bits a channel: Pillow keeps the upper 8 of 16 in a picture in colour."""

    bits = 8


def decode_image(
    data: bytes,
    *,
    max_pixels: int,
    size: tuple[int, int] | None = None,
    grey: bool = False,
    orient: bool = True,
) -> Pixels:
    """The pixels of one PNG, JPEG, WebP or TIFF file: [C, H, W] uint8 with C = 1 or 3.

    `size` is the (H, W) that the schema demands, if any. Both are checked on the header, before a pixel
    is decoded or its memory asked for, so that no small file makes a huge picture (a decompression bomb).
    `grey`: the schema demands one channel. `orient`: the EXIF orientation is applied.
    Raises `InvalidInput`: "image" (unreadable, or refused by the rules above), "value", "pixels" or "schema".
    """
    try:
        # Not Image.open: it would warn, process-wide, about a size that is refused here anyway.
        image = _open(data, max_pixels=max_pixels)
        _check_size(image.width, image.height, max_pixels)
        turn = _orientation(image) if orient else UPRIGHT
        sides = (image.width, image.height) if swaps_sides(turn) else (image.height, image.width)
        if size is not None and sides != size:
            found = f"{sides[0]}x{sides[1]}"
            raise InvalidInput(
                "schema", f"image is {found} (height x width); the schema fixes {size[0]}x{size[1]}"
            )
        pixels = _pixels(image)
        return upright(_as_grey(pixels) if grey else pixels, turn)
    except InvalidInput:
        raise
    except Exception as error:  # a decoder meeting forged bytes may raise anything, MemoryError included
        found = f"image cannot be decoded ({type(error).__name__}: {str(error)[:120]})"
        raise InvalidInput("image", f"{found}; expected a whole PNG, JPEG, WebP or TIFF file") from None


def _open(data: bytes, *, max_pixels: int) -> ImageFile:
    if data.startswith(PNG):
        if b"acTL" in data[: data.find(b"IDAT")]:
            raise InvalidInput("image", "PNG is animated; expected a still image")
        return _open_png(data)
    if data.startswith(JPEG):
        return _PlainJpeg(BytesIO(data))
    if data[:4] == RIFF and data[8:12] == b"WEBP":
        # The claim is checked here: the decoder is built only for a picture that may be decoded.
        _check_size(*_webp_size(data), max_pixels)
        image = WebPImageFile(BytesIO(data))
        if getattr(image, "n_frames", 1) > 1:
            raise InvalidInput("image", "WebP is animated; expected a still image")
        return image
    if data.startswith(TIFF):
        return open_tiff(data)
    expected = "expected a PNG, JPEG, WebP or TIFF file"
    raise InvalidInput("image", f"image starts with {data[:8].hex(' ')}; {expected}")


def _open_png(data: bytes) -> ImageFile:
    image = _Png(BytesIO(data))
    image.bits = data[_PNG_BIT_DEPTH_AT]
    if image.bits == 16 and image.mode == "RGB" and "transparency" in image.info:
        # Pillow compares the 16 bits of that colour with the 8 that it keeps of each pixel.
        found = "PNG in 16-bit colour calls one of its colours transparent"
        raise InvalidInput("image", f"{found}; expected an alpha channel, or 8 bits")
    return image


def _orientation(image: ImageFile) -> int:
    if isinstance(image, StillTiff):
        return image.orientation
    exif = image.info.get("exif")
    return read_orientation(exif) if isinstance(exif, bytes) else UPRIGHT


def _webp_size(data: bytes) -> tuple[int, int]:
    """(width, height) from the first chunk (RFC 9649, sections 2.5 to 2.7)."""
    kind = data[12:16]
    if kind == b"VP8X":
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    if kind == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 ":
        sides = int.from_bytes(data[26:28], "little"), int.from_bytes(data[28:30], "little")
        return sides[0] & 0x3FFF, sides[1] & 0x3FFF
    raise InvalidInput("image", f"WebP starts with chunk {kind!r}; expected VP8, VP8L or VP8X")


def _check_size(width: int, height: int, max_pixels: int) -> None:
    if width * height > max_pixels:
        raise InvalidInput(
            "pixels", f"image is {height}x{width} (height x width); expected at most {max_pixels} pixels"
        )


def _pixels(image: ImageFile) -> Pixels:
    bits = image.bits if isinstance(image, StillTiff | _Png) else 8
    pixels = deep_grey(image, bits=bits) if image.mode in DEEP_GREY else _shallow(image)
    if bits in _DEEP:
        black_refused(pixels)
    return pixels


def _shallow(image: ImageFile) -> Pixels:
    if image.mode not in _MODES:
        raise InvalidInput("image", f"image mode is {image.mode}; expected grey, palette, RGB or CMYK")
    plain: Image.Image = image
    target = "L" if image.mode in _GREY else "RGB"
    if image.mode in ("LA", "PA", "RGBA") or "transparency" in image.info:
        plain = _on_white(image, target)
    elif image.mode != target:
        plain = image.convert(target)
    pixels = np.asarray(plain, dtype=np.uint8)
    return pixels[np.newaxis] if target == "L" else pixels.transpose(2, 0, 1)


def _on_white(image: ImageFile, target: str) -> Image.Image:
    layered = image.convert("RGBA" if target == "RGB" else "LA")
    page = Image.new(target, layered.size, "white")
    page.paste(layered.convert(target), mask=layered.getchannel("A"))
    return page


def _as_grey(pixels: Pixels) -> Pixels:
    """One channel, where nothing is lost by that."""
    if len(pixels) == 1 or int((pixels.max(axis=0) - pixels.min(axis=0)).max()) > _SAME_GREY:
        return pixels
    return pixels[1:2]  # green, as luminance is mostly that
