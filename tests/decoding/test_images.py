"""Images: the stated rule for each format and mode; a picture that claims too much is never decoded."""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Callable
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from streamlearner.decoding import images
from streamlearner.decoding.images import Pixels, decode_image
from streamlearner.errors import InvalidInput

RNG = np.random.default_rng(5)
RGB = RNG.integers(0, 256, (9, 7, 3), np.uint8)
GREY = RGB[:, :, 0]
FORMATS = ("PNG", "JPEG", "WEBP", "TIFF")


def encoded(image: Image.Image, name: str = "PNG", **options: object) -> bytes:
    file = BytesIO()
    image.save(file, name, **options)
    return file.getvalue()


def decoded(data: bytes) -> Pixels:
    return decode_image(data, max_pixels=4096)


def reason_of(data: bytes, *, max_pixels: int = 4096, size: tuple[int, int] | None = None) -> str:
    with pytest.raises(InvalidInput) as caught:
        decode_image(data, max_pixels=max_pixels, size=size)
    assert "expected" in str(caught.value) or "fixes" in str(caught.value)
    assert len(str(caught.value)) < 400
    return caught.value.reason


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, *, depth: int = 8) -> bytes:
    """A PNG that claims a size and holds no pixel."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def vp8x(width: int, height: int) -> bytes:
    """A WebP that claims a canvas and holds nothing."""
    sides = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    body = b"VP8X" + struct.pack("<I", 10) + bytes(4) + sides
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def test_a_grey_png_becomes_one_channel_exactly() -> None:
    assert np.array_equal(decoded(encoded(Image.fromarray(GREY))), GREY[None])


def test_a_colour_png_becomes_three_channels_exactly() -> None:
    assert np.array_equal(decoded(encoded(Image.fromarray(RGB))), RGB.transpose(2, 0, 1))


def test_a_lossless_webp_becomes_three_channels_exactly() -> None:
    assert np.array_equal(
        decoded(encoded(Image.fromarray(RGB), "WEBP", lossless=True)), RGB.transpose(2, 0, 1)
    )


@pytest.mark.parametrize("name", ["JPEG", "WEBP"])
def test_a_lossy_picture_gives_the_pixels_that_pillow_sees(name: str) -> None:
    data = encoded(Image.fromarray(RGB), name, quality=80)
    expected = np.asarray(Image.open(BytesIO(data)).convert("RGB"))
    assert np.array_equal(decoded(data), expected.transpose(2, 0, 1))


def test_a_grey_jpeg_stays_one_channel() -> None:
    assert decoded(encoded(Image.fromarray(GREY), "JPEG")).shape == (1, 9, 7)


def test_a_black_and_white_png_becomes_0_and_255() -> None:
    bits = GREY > 127
    assert np.array_equal(decoded(encoded(Image.fromarray(bits)))[0], np.where(bits, 255, 0))


def test_a_palette_becomes_its_colours() -> None:
    palette = Image.fromarray(RGB).quantize(8)
    expected = np.asarray(palette.convert("RGB"))
    assert np.array_equal(decoded(encoded(palette)), expected.transpose(2, 0, 1))


def test_a_cmyk_jpeg_becomes_rgb() -> None:
    data = encoded(Image.new("CMYK", (4, 3), (255, 255, 0, 0)), "JPEG", quality=100)
    red, green, blue = decoded(data)[:, 1, 1].tolist()
    assert (red < 8, green < 8, blue > 247) == (True, True, True)


@pytest.mark.parametrize("name", ["PNG", "WEBP"])
def test_transparent_pixels_are_laid_on_white(name: str) -> None:
    pixels = np.zeros((2, 2, 4), np.uint8)
    pixels[0, 0] = (10, 20, 30, 255)
    result = decoded(encoded(Image.fromarray(pixels), name, lossless=True))
    assert result[:, 0, 0].tolist() == [10, 20, 30]
    assert (result.reshape(3, -1)[:, 1:] == 255).all()


def test_a_transparent_grey_picture_is_laid_on_white_and_stays_grey() -> None:
    layered = Image.merge("LA", [Image.new("L", (2, 1), 0), Image.fromarray(np.array([[255, 0]], np.uint8))])
    assert decoded(encoded(layered)).tolist() == [[[0, 255]]]


def test_a_transparent_palette_colour_is_laid_on_white() -> None:
    palette = Image.new("P", (2, 1))
    palette.putpalette([0, 0, 0, 200, 0, 0])
    palette.putpixel((1, 0), 1)
    assert decoded(encoded(palette, transparency=0))[:, 0].T.tolist() == [[255, 255, 255], [200, 0, 0]]


@pytest.mark.parametrize("name", ["PNG", "WEBP"])
def test_an_animation_is_refused(name: str) -> None:
    frames = [Image.fromarray(RGB), Image.fromarray(255 - RGB)]
    assert reason_of(encoded(frames[0], name, save_all=True, append_images=frames[1:])) == "image"


@pytest.mark.parametrize("name", ["GIF", "BMP", "PPM", "ICO"])
def test_a_format_off_the_list_is_refused_by_its_content(name: str) -> None:
    assert reason_of(encoded(Image.fromarray(RGB), name)) == "image"


@pytest.mark.parametrize("name", FORMATS)
def test_a_picture_cut_anywhere_is_refused(name: str) -> None:
    data = encoded(Image.fromarray(RGB), name)
    ends = [0, 1, 8, 12, 20, 24, 29, 40, len(data) // 2]
    assert {reason_of(data[:end]) for end in ends} == {"image"}


def jpeg(width: int, height: int) -> bytes:
    """A JPEG that claims a size and holds fewer pixels."""
    data = encoded(Image.fromarray(RGB), "JPEG")
    place = data.index(b"\xff\xc0") + 5
    return data[:place] + struct.pack(">HH", height, width) + data[place + 4 :]


def tiff(width: int, height: int) -> bytes:
    """A TIFF that claims a size and holds fewer pixels."""
    data = encoded(Image.fromarray(RGB), "TIFF")
    for tag, side in ((0x0100, width), (0x0101, height)):
        place = data.index(struct.pack("<HH", tag, 4)) + 8
        data = data[:place] + struct.pack("<I", side) + data[place + 4 :]
    return data


@pytest.mark.parametrize("make", [png, jpeg, vp8x, tiff])
def test_a_picture_that_claims_too_many_pixels_is_refused_and_never_decoded(
    make: Callable[[int, int], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    decoders: list[str] = []
    monkeypatch.setattr(images, "_pixels", lambda image: decoders.append("pixels") or GREY[None])
    monkeypatch.setattr(images, "WebPImageFile", lambda file: decoders.append("webp"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert reason_of(make(65, 64), max_pixels=64 * 64) == "pixels"
    assert decoders == []


@pytest.mark.parametrize("name", FORMATS)
def test_the_pixel_limit_is_exact(name: str) -> None:
    data = encoded(Image.fromarray(RGB), name)
    assert decode_image(data, max_pixels=63).shape == (3, 9, 7)
    assert reason_of(data, max_pixels=62) == "pixels"


@pytest.mark.parametrize(
    "options", [{"lossless": True}, {"lossless": False}, {"exif": b"Exif\0\0MM\0*\0\0\0\x08\0\0"}]
)
def test_every_kind_of_webp_header_tells_its_size(options: dict[str, object]) -> None:
    assert reason_of(encoded(Image.fromarray(RGB), "WEBP", **options), max_pixels=62) == "pixels"


def test_a_picture_of_another_size_than_the_schema_is_refused_before_its_pixels_are_read() -> None:
    assert reason_of(png(8, 8), size=(9, 7)) == "schema"
    assert decode_image(encoded(Image.fromarray(RGB)), max_pixels=63, size=(9, 7)).shape == (3, 9, 7)
