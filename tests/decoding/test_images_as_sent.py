"""Images as phones, scanners and `datasets` write them: turned, in 16 bits, grey in a palette, TIFF."""

from __future__ import annotations

import struct
import warnings
import zlib
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from streamlearner.decoding.codec import Codec, Schema
from streamlearner.decoding.images import Pixels, decode_image
from streamlearner.errors import InvalidInput
from streamlearner.stream import Message

RNG = np.random.default_rng(5)
RGB = RNG.integers(0, 256, (9, 7, 3), np.uint8)
GREY = RGB[:, :, 0]
DEEP = (GREY.astype(np.uint16) << 8) + 77
ORIENTATION = 0x0112


def encoded(image: Image.Image, name: str = "PNG", **options: Any) -> bytes:
    file = BytesIO()
    image.save(file, name, **options)
    return file.getvalue()


def decoded(data: bytes, **options: Any) -> Pixels:
    return decode_image(data, max_pixels=4096, **options)


def reason_of(data: bytes, **options: Any) -> str:
    with pytest.raises(InvalidInput, match=r"expected|fixes") as caught:
        decode_image(data, max_pixels=4096, **options)
    return caught.value.reason


def turned(orientation: object, name: str = "JPEG") -> bytes:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    more = {"quality": 100} if name == "JPEG" else {"lossless": True} if name == "WEBP" else {}
    return encoded(Image.fromarray(RGB), name, exif=exif, **more)


def png_16(values: np.ndarray[Any, Any], *, colour_type: int, more: bytes = b"") -> bytes:
    """A PNG of 16 bits a channel; Pillow itself writes only grey ones."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    height, width = values.shape[:2]
    lines = b"".join(b"\0" + line.astype(">u2").tobytes() for line in values)
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + more + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_is_turned_as_its_exif_says(name: str, orientation: int) -> None:
    data = turned(orientation, name)
    expected = ImageOps.exif_transpose(Image.open(BytesIO(data))).convert("RGB")
    assert np.array_equal(decoded(data), np.asarray(expected).transpose(2, 0, 1))


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_a_picture_stays_as_stored_where_the_setting_says_so(name: str) -> None:
    upright = decoded(turned(1, name))
    assert np.array_equal(decoded(turned(6, name), orient=False), upright)


def test_the_size_of_a_turned_picture_is_the_one_that_is_seen() -> None:
    assert decoded(turned(6), size=(7, 9)).shape == (3, 7, 9)
    assert reason_of(turned(6), size=(9, 7)) == "schema"
    assert decoded(turned(6), size=(9, 7), orient=False).shape == (3, 9, 7)


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_there_is_not_turns_nothing(orientation: int) -> None:
    assert np.array_equal(decoded(turned(orientation)), decoded(turned(1)))


def test_forged_exif_neither_turns_the_picture_nor_warns() -> None:
    data = turned(6)
    entry = b"\x01\x12\x00\x03\x00\x00\x00\x01"
    forged = [data.replace(entry, b"\x01\x12\x00\x02\x7f\xff\xff\xff"), data.replace(b"MM\0*", b"XX\0*")]
    forged.append(data.replace(b"MM\0*\0\0\0\x08", b"MM\0*\x7f\xff\xff\xff"))
    forged.append(data.replace(b"MM\0*\0\0\0\x08\0\x01", b"MM\0*\0\0\0\x08\xff\xff"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        shapes = [decoded(each).shape for each in forged]
    assert data not in forged
    assert shapes == [(3, 9, 7), (3, 9, 7), (3, 9, 7), (3, 7, 9)]


@pytest.mark.parametrize(
    "data",
    [
        encoded(Image.fromarray(DEEP)),
        encoded(Image.fromarray(DEEP), "TIFF"),
        encoded(Image.fromarray(DEEP.astype(">u2")), "TIFF"),
        encoded(Image.fromarray(DEEP), "TIFF", compression="tiff_lzw"),
    ],
)
def test_of_16_bits_of_grey_the_upper_8_stay(data: bytes) -> None:
    assert np.array_equal(decoded(data), GREY[None])


def test_of_16_bits_of_colour_the_upper_8_stay() -> None:
    deep = (RGB.astype(np.uint16) << 8) + 200
    assert np.array_equal(decoded(png_16(deep, colour_type=2)), RGB.transpose(2, 0, 1))


def test_a_transparent_value_of_16_bits_is_laid_on_white() -> None:
    clear = struct.pack(">I", 2) + b"tRNS" + struct.pack(">H", DEEP[0, 0])
    clear += struct.pack(">I", zlib.crc32(clear[4:]))
    found = decoded(png_16(DEEP, colour_type=0, more=clear))[0]
    assert np.array_equal(found, np.where(DEEP[0, 0] == DEEP, 255, GREY))


@pytest.mark.parametrize("shape", [(4, 3), (4, 3, 3)])
def test_16_bits_that_would_be_black_are_refused(shape: tuple[int, ...]) -> None:
    values = np.full(shape, 255, np.uint16)
    assert reason_of(png_16(values, colour_type=2 if len(shape) == 3 else 0)) == "image"
    values.flat[0] = 256
    assert decoded(png_16(values, colour_type=2 if len(shape) == 3 else 0)).max() == 1


def test_16_bit_colour_with_a_transparent_colour_is_refused() -> None:
    clear = struct.pack(">I", 6) + b"tRNS" + bytes(6)
    clear += struct.pack(">I", zlib.crc32(clear[4:]))
    assert reason_of(png_16(np.full((2, 2, 3), 999), colour_type=2, more=clear)) == "image"


def test_a_tiff_of_32_bits_holds_what_an_array_may_hold() -> None:
    assert np.array_equal(decoded(encoded(Image.fromarray(GREY.astype(np.int32)), "TIFF")), GREY[None])
    scaled = (GREY / 255).astype(np.float32)
    assert np.array_equal(decoded(encoded(Image.fromarray(scaled), "TIFF")), GREY[None])
    for bad in (np.int32([[0, 256]]), np.float32([[0, 1.01]]), np.float32([[0, np.nan]])):
        assert reason_of(encoded(Image.fromarray(bad), "TIFF")) == "value"


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr"])
def test_every_mode_that_datasets_writes_as_tiff_gives_what_pillow_sees(mode: str) -> None:
    image = Image.fromarray(RGB).convert(mode)
    if mode in ("LA", "RGBA", "PA"):
        image.putalpha(255)
    target = "L" if mode in ("1", "L", "LA") else "RGB"
    expected = np.asarray(image.convert(target)).reshape(9, 7, -1).transpose(2, 0, 1)
    assert np.array_equal(decoded(encoded(image, "TIFF")), expected)


def test_a_tiff_of_two_pages_is_refused() -> None:
    pages = [Image.fromarray(RGB), Image.fromarray(RGB)]
    assert reason_of(encoded(pages[0], "TIFF", save_all=True, append_images=pages[1:])) == "image"


def test_a_tiff_cut_anywhere_is_refused_without_a_warning() -> None:
    data = encoded(Image.fromarray(RGB), "TIFF")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for end in range(len(data)):
            with pytest.raises(InvalidInput) as caught:
                decode_image(data[:end], max_pixels=4096)
            assert caught.value.reason == "image"
            assert "Warning" not in str(caught.value)


def test_a_tiff_whose_compression_is_another_picture_format_is_refused() -> None:
    assert reason_of(encoded(Image.fromarray(RGB), "TIFF", compression="jpeg")) == "image"


def test_a_deep_tiff_that_calls_white_0_is_refused() -> None:
    data = encoded(Image.fromarray(DEEP), "TIFF")
    place = data.index(struct.pack("<HHI", 0x0106, 3, 1)) + 8
    assert reason_of(data[:place] + b"\0\0" + data[place + 2 :]) == "image"


GREYS = {
    "palette": encoded(Image.fromarray(GREY).convert("P")),
    "optimised palette": encoded(Image.fromarray(GREY >> 6 << 6).quantize(4)),
    "webp": encoded(Image.fromarray(GREY), "WEBP", lossless=True),
    "lossy webp": encoded(Image.fromarray(GREY), "WEBP", quality=40),
    "jpeg in colour": encoded(Image.fromarray(GREY).convert("RGB"), "JPEG"),
    "png in colour": encoded(Image.fromarray(GREY).convert("RGB")),
}


@pytest.mark.parametrize("kind", GREYS)
def test_a_picture_in_colour_that_shows_greys_is_grey_on_a_grey_stream(kind: str) -> None:
    expected = np.asarray(Image.open(BytesIO(GREYS[kind])).convert("L")).astype(int)
    found = decoded(GREYS[kind], grey=True)
    assert found.shape == (1, 9, 7)
    assert np.abs(found[0] - expected).max() <= 1
    assert decoded(GREYS[kind]).shape == (3, 9, 7)


def test_a_grey_stream_takes_a_palette_and_a_webp_and_refuses_colours() -> None:
    codec = Codec(schema=Schema((1, 9, 7), "uint8"))
    coloured = encoded(Image.fromarray(RGB), "WEBP", lossless=True)
    values = [encoded(Image.fromarray(GREY)), GREYS["palette"], GREYS["webp"], coloured]
    headers = (("content-type", b"image/png"), ("label", b"a"))
    batch, rejects = codec.decode([Message(value, "t", 0, 0, headers=headers) for value in values])
    assert [reject.reason for reject in rejects] == ["schema"]
    assert all(np.array_equal(each, GREY[None]) for each in batch.inputs.numpy())
