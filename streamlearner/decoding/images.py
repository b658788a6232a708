"""Encoded images: PNG, JPEG and WebP bytes to channel-first uint8 pixels.

The rules, so that one picture always gives one tensor and nothing is lost silently:

- The content decides the format, not what the sender calls it; only PNG, JPEG and WebP are ever parsed.
- Grey (modes 1, L, LA) becomes [1, H, W]; all else (RGB, palette, RGBA, CMYK) [3, H, W]. WebP has no grey.
- Transparent pixels are laid on white, as on a page.
- 16 bits per channel and animations are refused: choosing 8 bits or one frame is the sender's decision.
- EXIF orientation and colour profiles are not applied: pixels are taken as stored.
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

from streamlearner.errors import InvalidInput

Pixels = NDArray[np.uint8]

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_BIT_DEPTH_AT = 24
_JPEG_SIGNATURE = b"\xff\xd8\xff"
_GREY = frozenset({"1", "L", "LA"})
_MODES = frozenset({"1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK"})


class _PlainJpeg(JpegImageFile):
    """A JPEG whose EXIF is never parsed: nothing here needs it, and parsing a forged one warns."""

    def _read_dpi_from_exif(self) -> None:
        return


def decode_image(data: bytes, *, max_pixels: int, size: tuple[int, int] | None = None) -> Pixels:
    """The pixels of one PNG, JPEG or WebP file: [C, H, W] uint8 with C = 1 or 3.

    `size` is the (H, W) that the schema demands, if any. Both are checked on the header, before a pixel
    is decoded or its memory asked for, so that no small file makes a huge picture (a decompression bomb).
    Raises `InvalidInput`: "image" (unreadable, or refused by the rules above), "pixels" or "schema".
    """
    try:
        # Not Image.open: it would warn, process-wide, about a size that is refused here anyway.
        image = _open(data, max_pixels=max_pixels)
        _check_size(image.width, image.height, max_pixels)
        if size is not None and (image.height, image.width) != size:
            found = f"{image.height}x{image.width}"
            raise InvalidInput(
                "schema", f"image is {found} (height x width); the schema fixes {size[0]}x{size[1]}"
            )
        return _pixels(image)
    except InvalidInput:
        raise
    except Exception as error:  # a decoder meeting forged bytes may raise anything, MemoryError included
        found = f"image cannot be decoded ({type(error).__name__}: {str(error)[:120]})"
        raise InvalidInput("image", f"{found}; expected a whole PNG, JPEG or WebP file") from None


def _open(data: bytes, *, max_pixels: int) -> ImageFile:
    if data.startswith(_PNG_SIGNATURE):
        if data[_PNG_BIT_DEPTH_AT] == 16:
            raise InvalidInput(
                "image", "PNG has 16 bits per channel; expected at most 8 (rescale it, or send raw float32)"
            )
        if b"acTL" in data[: data.find(b"IDAT")]:
            raise InvalidInput("image", "PNG is animated; expected a still image")
        return PngImageFile(BytesIO(data))
    if data.startswith(_JPEG_SIGNATURE):
        return _PlainJpeg(BytesIO(data))
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        # The claim is checked here: the decoder is built only for a picture that may be decoded.
        _check_size(*_webp_size(data), max_pixels)
        image = WebPImageFile(BytesIO(data))
        if getattr(image, "n_frames", 1) > 1:
            raise InvalidInput("image", "WebP is animated; expected a still image")
        return image
    raise InvalidInput("image", f"image starts with {data[:8].hex(' ')}; expected a PNG, JPEG or WebP file")


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
    if image.mode not in _MODES:
        raise InvalidInput("image", f"image mode is {image.mode}; expected 8-bit grey, palette, RGB or CMYK")
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
