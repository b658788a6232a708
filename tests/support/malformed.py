"""Messages that are good in every wire format, and ways to spoil one: what the fuzz tests share."""

from __future__ import annotations

import base64
import json
import random
import struct
import zlib
from collections.abc import Callable
from io import BytesIO
from typing import Any

import msgpack
import numpy as np
from PIL import Image

from streamlearner.decoding.codec import encode_raw

Headers = tuple[tuple[str, bytes], ...]
Wire = tuple[bytes, Headers]
PIXELS = np.random.default_rng(3).integers(0, 256, (12, 10, 3), np.uint8)
LABELS: list[Any] = ["cat", "03", "猫", 0, 7, -3, "12", 2**62]
BAD_LABELS: list[Any] = [
    True,
    None,
    1.5,
    [],
    [3],
    {"a": []},
    "",
    "x" * 300,
    "a\nb",
    "\ud800",
    2**63,
    "9" * 30,
]


def typed(content_type: str, *more: tuple[str, bytes]) -> Headers:
    return (("content-type", content_type.encode()), *more)


def as_raw(pixels: np.ndarray[Any, Any], label: Any) -> Wire:
    return encode_raw(pixels, label=label, id="i")


def as_image(pixels: np.ndarray[Any, Any], label: Any, *, name: str = "PNG") -> Wire:
    file = BytesIO()
    Image.fromarray(pixels).save(file, name, lossless=True)
    return file.getvalue(), typed(f"image/{name.lower()}", ("label", str(label).encode()))


def body(pixels: np.ndarray[Any, Any], label: Any) -> dict[str, Any]:
    b64 = base64.b64encode(pixels.tobytes()).decode()
    return {"input": {"b64": b64, "shape": list(pixels.shape), "dtype": "uint8"}, "label": label}


def as_json(pixels: np.ndarray[Any, Any], label: Any) -> Wire:
    return json.dumps(body(pixels, label)).encode(), typed("application/json")


def as_nested_json(pixels: np.ndarray[Any, Any], label: Any) -> Wire:
    return json.dumps({"input": pixels.tolist(), "label": label}).encode(), typed("application/json")


def as_msgpack(pixels: np.ndarray[Any, Any], label: Any) -> Wire:
    value = {"input": {"data": pixels.tobytes(), "shape": list(pixels.shape)}, "label": label}
    return msgpack.packb(value, unicode_errors="surrogatepass"), typed("application/msgpack")


def as_event(pixels: np.ndarray[Any, Any], label: Any) -> Wire:
    event = {
        "specversion": "1.0",
        "id": "e",
        "source": "/camera",
        "type": "picture",
        "data": body(pixels, label),
    }
    return json.dumps(event).encode(), typed("application/cloudevents+json; charset=utf-8")


def as_webp(pixels: np.ndarray[Any, Any], label: Any) -> Wire:
    return as_image(pixels, label, name="WEBP")


def as_jpeg(pixels: np.ndarray[Any, Any], label: Any) -> Wire:
    return as_image(pixels, label, name="JPEG")


EXACT: list[Callable[[np.ndarray[Any, Any], Any], Wire]] = [
    as_raw,
    as_image,
    as_json,
    as_nested_json,
    as_msgpack,
    as_webp,
    as_event,
]


# Each of these makes a message that no reading could accept.
def other_label(dice: random.Random, wire: Wire) -> Wire:
    return dice.choice([as_json, as_nested_json, as_msgpack])(PIXELS, dice.choice(BAD_LABELS))


def other_header_label(dice: random.Random, wire: Wire) -> Wire:
    value, headers = as_raw(PIXELS, 1)
    label = dice.choice([b"", b"\xff\xfe", b"a\x00", b"x" * 300, b"9" * 30])
    return value, tuple((name, label if name == "label" else text) for name, text in headers)


def truncation(dice: random.Random, wire: Wire) -> Wire:
    # the last bytes of a PNG or JPEG are an end mark that a decoder may do without
    return wire[0][: dice.randrange(max(1, len(wire[0]) - 40))], wire[1]


def trailer(dice: random.Random, wire: Wire) -> Wire:
    value, headers = dice.choice([as_raw, as_json, as_msgpack])(PIXELS, 1)
    return value + dice.randbytes(3) + b"\x01", headers


def other_content_type(dice: random.Random, wire: Wire) -> Wire:
    kind = dice.choice(
        ["image/gif", "text/plain", "application/cloudevents-batch+json", "\x00", "image/svg+xml", "*/*"]
    )
    return wire[0], typed(kind, ("label", b"1"), ("shape", b"12,10,3"))


def other_shape(dice: random.Random, wire: Wire) -> Wire:
    value, headers = as_raw(PIXELS, 1)
    shape = dice.choice(
        [b"", b"12,10,4", b"10,12,3", b"360", b"-12,-10,3", b"9" * 50, b"2147483647,2147483647,4", b"\xff"]
    )
    return value, tuple((name, shape if name == "shape" else text) for name, text in headers)


def other_dtype(dice: random.Random, wire: Wire) -> Wire:
    value, headers = as_raw(PIXELS, 1)
    dtype = dice.choice([b"int8", b"float32", b"float64", b"object", b"O", b"", b"\xff", b">f4", b"bool"])
    return value, tuple((name, dtype if name == "dtype" else text) for name, text in headers)


def other_pixels(dice: random.Random, wire: Wire) -> Wire:
    nested = PIXELS.tolist()
    nested[dice.randrange(12)][dice.randrange(10)][dice.randrange(3)] = dice.choice(
        [256, -1, 1e9, True, None, "7", [], [1], {}, 10**300, float("nan"), float("inf")]
    )
    return json.dumps({"input": nested, "label": 1}).encode(), typed("application/json")


def overclaim(dice: random.Random, wire: Wire) -> Wire:
    header = struct.pack(">IIBBBBB", 2_100, 2_100, 8, 2, 0, 0, 0)  # a little more pixels than are allowed
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(10_000))), (b"IEND", b"")]
    png = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
    image = typed("image/png", ("label", b"1"))
    return dice.choice(
        [
            (png, image),
            (
                json.dumps({"input": {"image": base64.b64encode(png).decode()}, "label": 1}).encode(),
                typed("application/json"),
            ),
            (b'{"label":1,"input":' + b"[" * 50_000 + b"]" * 50_000 + b"}", typed("application/json")),
            (b"\xdd\x7f\xff\xff\xff", typed("application/msgpack")),
            (b"\xdd\x00\x01\x00\x01" + bytes(70_000), typed("application/msgpack")),
            (b"\x91" * 5000, typed("application/msgpack")),
            (b"\xc6\xff\xff\xff\xff", typed("application/msgpack")),
            (b"9" * 10_000, typed("application/json")),
            (b'{"input":[1e999],"label":1}', typed("application/json")),
        ]
    )


def noise(dice: random.Random, wire: Wire) -> Wire:
    kinds = ["image/png", "image/jpeg", "image/webp", "application/json", "application/msgpack"]
    return dice.randbytes(dice.randrange(200)), typed(dice.choice(kinds), ("label", b"1"))


def no_headers(dice: random.Random, wire: Wire) -> Wire:
    return wire[0], ()


BAD: list[Callable[[random.Random, Wire], Wire]] = [
    *(other_label, other_header_label, truncation, trailer, other_content_type, other_shape, other_dtype),
    *(other_pixels, overclaim, noise, no_headers),
]


# After these a message may or may not still be an example.


def bit_flips(dice: random.Random, wire: Wire) -> Wire:
    value = bytearray(wire[0])
    for _ in range(dice.randrange(1, 9)):
        value[dice.randrange(len(value))] ^= 1 << dice.randrange(8)
    return bytes(value), wire[1]


def flipped_start(dice: random.Random, wire: Wire) -> Wire:
    value = bytearray(wire[0])
    value[dice.randrange(min(80, len(value)))] = dice.randrange(256)
    return bytes(value), wire[1]


def spliced(dice: random.Random, wire: Wire) -> Wire:
    cut, end = sorted(dice.sample(range(len(wire[0])), 2))
    return wire[0][:cut] + dice.randbytes(dice.randrange(20)) + wire[0][end:], wire[1]


def crossed(dice: random.Random, wire: Wire) -> Wire:
    return wire[0], dice.choice([*EXACT, as_jpeg])(PIXELS, 1)[1]


def flipped_header(dice: random.Random, wire: Wire) -> Wire:
    place = dice.randrange(len(wire[1]))
    name, text = wire[1][place]
    flipped = bytes(byte ^ (dice.random() < 0.1) * dice.randrange(256) for byte in text)
    return wire[0], (*wire[1][:place], (name, flipped), *wire[1][place + 1 :])


DOUBTFUL = [bit_flips, flipped_start, spliced, crossed, flipped_header]


def pixels_of(dice: random.Random) -> np.ndarray[Any, Any]:
    return np.frombuffer(dice.randbytes(360), np.uint8).reshape(12, 10, 3)
