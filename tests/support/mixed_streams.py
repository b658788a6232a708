"""A stream for every source and every format, with all that can become of a message in it, and the counts."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from streamlearner.decoding import headers as wire
from streamlearner.registry.sources import SOURCES, FilesSection
from streamlearner.stream import Message
from tests.support.malformed import PIXELS, Headers, Wire, as_event, as_image, as_json, as_msgpack, as_raw

FORMATS: tuple[str, ...] = get_args(FilesSection.model_fields["format"].annotation)
KINDS = [f"files.{name}" for name in FORMATS] + [name for name in SOURCES.names() if name != "files"]
"""Every source there is, that of files once for each format. What has no stream below fails its test."""
MEDIA = wire._MEDIA
"""Every content-type that is read, and how."""


@dataclass(frozen=True)
class Expected:
    """So many messages, and what becomes of them; the others are examples, learned or withheld."""

    messages: int
    rejected: int = 0
    duplicate: int = 0
    tombstone: int = 0


WIRES: dict[str, Callable[..., Any]] = {
    "raw": as_raw, "image": as_image, "json": as_json, "msgpack": as_msgpack, "event": as_event,
}  # fmt: skip


def wired(content_type: str) -> list[Message]:
    """Two examples, one of them again, and what is none: cut off, empty, without a value, a tombstone."""
    value, written = WIRES[MEDIA[content_type]](PIXELS, 1)
    headers = tuple((name, text) for name, text in written if name not in ("content-type", "id"))
    headers = (("content-type", content_type.encode()), *headers)
    one, other = (named(value, headers, source + content_type) for source in ("a/", "b/"))
    contents: list[tuple[bytes | None, tuple[tuple[str, bytes], ...]]] = [
        one,
        other,
        one,
        (value[:20], headers),
        (b"", headers),
        (None, tuple({**dict(headers), "label": b"1"}.items())),
    ]
    messages = [
        Message(body, "memory", 0, place, key=b"k", headers=given)
        for place, (body, given) in enumerate(contents)
    ]
    return [*messages, Message(None, "memory", 0, len(messages), key=b"gone")]


def named(value: bytes, headers: Headers, source: str) -> Wire:
    """The event 1 of that source, in the mode that it is written in."""
    if MEDIA[dict(headers)["content-type"].decode()] == "event":
        return json.dumps(json.loads(value) | {"id": "1", "source": source}).encode(), headers
    return value, (*headers, ("ce_id", b"1"), ("ce_source", source.encode()))


OF_WIRED = Expected(messages=7, rejected=3, duplicate=1, tombstone=1)


def of_every_wire_format() -> tuple[list[Message], Expected]:
    """All of them as one stream."""
    messages = [message for content_type in MEDIA for message in wired(content_type)]
    placed = [replace(message, offset=place) for place, message in enumerate(messages)]
    return placed, Expected(*(len(MEDIA) * count for count in astuple(OF_WIRED)))


def json_lines(folder: Path) -> tuple[dict[str, Any], Expected]:
    body, good = json.loads(as_json(PIXELS, 1)[0]), []
    for number in range(9):
        good.append(json.dumps(body | {"id": f"{number}"}))
    bad = ["{", "null", "7", json.dumps(body | {"label": None}), "\ufeff{}"]
    lines = [*good, "", *bad, "   ", good[0], "{}"]
    (folder / "a.jsonl").write_text("\n".join(lines))
    return {"path": str(folder / "a.jsonl")}, Expected(messages=16, rejected=6, duplicate=1)


def image_folder(folder: Path) -> tuple[dict[str, Any], Expected]:
    value, _ = as_image(PIXELS, 1)
    for name in ("cat/1.png", "cat/2.png", "dog/3.png", "dog/4.png"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(value)
    (folder / "dog" / "cut.png").write_bytes(value[:30])
    (folder / "dog" / "empty.png").write_bytes(b"")
    (folder / "dog" / "notes.txt").write_bytes(b"no image")
    return {"path": str(folder)}, Expected(messages=6, rejected=2)


def parquet_rows(folder: Path) -> tuple[dict[str, Any], Expected]:
    value, _ = as_image(PIXELS, 1)
    good = {"bytes": value, "path": None}
    from_file = {"bytes": None, "path": "cat/1.png"}
    images = [*[good] * 5, from_file, None, {"bytes": None, "path": None}, good, from_file, good]
    labels = [*[1] * 8, None, None, 2]
    image = pa.array(images, pa.struct([("bytes", pa.binary()), ("path", pa.string())]))
    parquet.write_table(pa.table({"img": image, "label": labels}), folder / "a.parquet", row_group_size=4)
    return {"path": str(folder / "a.parquet")}, Expected(messages=11, rejected=5)


def torchvision(folder: Path) -> tuple[dict[str, Any], Expected]:
    """MNIST as its files are, of 12 images."""
    raw = folder / "MNIST" / "raw"
    raw.mkdir(parents=True)
    images = np.arange(12 * 28 * 28, dtype=np.uint32).astype(np.uint8).tobytes()
    for half in ("train", "t10k"):
        (raw / f"{half}-images-idx3-ubyte").write_bytes(struct.pack(">iiii", 2051, 12, 28, 28) + images)
        (raw / f"{half}-labels-idx1-ubyte").write_bytes(
            struct.pack(">ii", 2049, 12) + bytes(range(10)) + b"\1\2"
        )
    return {"path": str(folder)}, Expected(messages=12)


def digits(folder: Path) -> tuple[dict[str, Any], Expected]:
    return {}, Expected(messages=1797)


FILES: dict[str, Callable[[Path], tuple[dict[str, Any], Expected]]] = {
    "jsonl": json_lines,
    "image_folder": image_folder,
    "parquet": parquet_rows,
    "torchvision": torchvision,
    "digits": digits,
}
