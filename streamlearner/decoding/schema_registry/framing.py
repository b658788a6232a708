"""Confluent's framing: a magic byte and the id of a schema, in front of the record or in a header.

Magic 0 and four bytes are the number of a schema in its registry; magic 1 and 16 bytes its GUID, which is the
same in every registry. Of Protobuf the place of the message in its file follows, as zigzag numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias
from uuid import UUID

from streamlearner.errors import InvalidInput

HEADER: Final = "__value_schema_id"
SchemaId: TypeAlias = int | UUID

_NUMBER, _GUID = 0, 1
_NUMBER_END, _GUID_END = 5, 17
_MOST_INDEXES: Final = 32
"""Messages within messages; a compiler of Protobuf allows no more."""
CONTENT_TYPES: Final = frozenset(
    {
        "application/json", "application/avro", "avro/binary", "application/vnd.apache.avro+binary",
        "application/protobuf", "application/x-protobuf", "application/vnd.google.protobuf",
    }
)  # fmt: skip
"""With these, or none, a value may be framed."""


@dataclass(frozen=True, slots=True)
class Frame:
    """The id of the schema, what follows it where it stands, and the record; the record of None is in what
    follows."""

    schema: SchemaId
    rest: bytes
    record: bytes | None = None

    def split(self) -> tuple[tuple[int, ...], bytes]:
        """Of Protobuf: the place of the message in its file, and the record. Raises `InvalidInput`."""
        indexes, end = _indexes(self.rest)
        return indexes, self.rest[end:] if self.record is None else self.record

    @property
    def payload(self) -> bytes:
        """Of the other formats: the record."""
        return self.rest if self.record is None else self.record


def read_frame(value: bytes, headers: Mapping[str, bytes]) -> Frame | None:
    """None where the value is not framed: raw bytes have a shape, images a content-type. Raises
    `InvalidInput`."""
    if (named := headers.get(HEADER)) is not None:
        schema, end = _schema(named)
        return Frame(schema, named[end:], value)
    content_type = headers.get("content-type")
    if value[:1] not in (b"\0", b"\1") or "shape" in headers:
        return None
    if content_type is not None:
        media = content_type.partition(b";")[0].strip().lower()
        if media.decode("latin-1") not in CONTENT_TYPES:
            return None
    schema, end = _schema(value)
    return Frame(schema, value[end:])


def _schema(data: bytes) -> tuple[SchemaId, int]:
    magic = data[0] if data else None
    if magic == _NUMBER and len(data) >= _NUMBER_END:
        return int.from_bytes(data[1:_NUMBER_END], "big"), _NUMBER_END
    if magic == _GUID and len(data) >= _GUID_END:
        return UUID(bytes=data[1:_GUID_END]), _GUID_END
    expected = "expected 00 and 4 bytes, or 01 and 16 bytes, of a schema's id"
    raise InvalidInput("record", f"{len(data)} bytes that begin {data[:8].hex(' ') or 'nowhere'}; {expected}")


def _indexes(data: bytes) -> tuple[tuple[int, ...], int]:
    """The numbers and where they end; a count of 0 stands for the first message."""
    count, place = _zigzag(data, 0)
    if not 0 <= count <= _MOST_INDEXES:
        raise InvalidInput("record", f"{count} message indexes; expected 0 to {_MOST_INDEXES}")
    indexes = []
    for _ in range(count):
        index, place = _zigzag(data, place)
        indexes.append(index)
    return tuple(indexes) or (0,), place


def _zigzag(data: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    for byte in data[place : place + 5]:
        value, shift, place = value | (byte & 0x7F) << shift, shift + 7, place + 1
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1), place
    raise InvalidInput("record", "message indexes are cut off; expected zigzag numbers after the schema's id")
