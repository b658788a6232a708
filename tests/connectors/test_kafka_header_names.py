"""Names of headers that are no UTF-8, as a producer in C may write them."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from kafka.record import memory_records
from kafka.record.default_records import DefaultRecordBatchBuilder
from kafka.record.memory_records import MemoryRecords

from streamlearner.connectors.kafka.header_names import read_any_header_name


class Name(str):
    """A name of these bytes, whatever they are."""

    def __new__(cls, raw: bytes) -> Name:
        made = super().__new__(cls, raw.decode("latin-1"))
        made.raw = raw
        return made

    raw: bytes

    def encode(self, *_: object) -> bytes:
        return self.raw


def read(records: Sequence[tuple[bytes, Sequence[tuple[str, bytes]]]], compression: int) -> list[object]:
    """(value, headers) of each, after they were a batch of Kafka."""
    builder = DefaultRecordBatchBuilder(2, compression, False, -1, -1, -1, 2**20)
    for offset, (value, headers) in enumerate(records):
        builder.append(offset, 0, None, value, list(headers))
    batch = MemoryRecords(bytes(builder.build())).next_batch()
    return [(record.value, record.headers) for record in batch]


@pytest.mark.parametrize("compression", [0, 1], ids=["plain", "gzip"])
def test_a_record_is_read_whatever_its_headers_are_called(
    monkeypatch: pytest.MonkeyPatch, compression: int
) -> None:
    monkeypatch.setattr(memory_records, "DefaultRecordBatch", memory_records.DefaultRecordBatch)
    read_any_header_name()
    name = Name("Größe".encode("latin-1"))
    records: list[tuple[bytes, list[tuple[str, bytes]]]] = [
        (b"1", [("label", b"a")]),
        (name.raw, [(name, name.raw), ("Größe", b"\xff"), (Name(b"\xff\xfe"), b""), ("label", b"b")]),
        (b"3", [(name, b"c")]),
    ]
    assert read(records, compression) == [
        (b"1", [("label", b"a")]),
        (name.raw, [("Gr??e", name.raw), ("Größe", b"\xff"), ("??", b""), ("label", b"b")]),
        (b"3", [("Gr??e", b"c")]),
    ]
