"""The rows of Parquet files as messages: streamed in stored order, or picked by number."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import parquet

from streamlearner.connectors.files.parquet_columns import check_columns, class_names
from streamlearner.connectors.files.parquet_names import name_header
from streamlearner.errors import ConfigError, SourceError, SourceUnreachable
from streamlearner.stream import Message

_BLOCK_ROWS = 512
_MAGIC = (
    *((b"\x89PNG", b"image/png"), (b"\xff\xd8\xff", b"image/jpeg"), (b"RIFF", b"image/webp")),
    *((b"II*\0", b"image/tiff"), (b"MM\0*", b"image/tiff")),
)


class ParquetTable:
    """Several files with the same columns as one numbered list of rows.

    `count` rows; `image_bytes` is what the image column holds uncompressed; `footers` names the content:
    for each file its size and its footer's bytes.
    """

    def __init__(
        self,
        paths: Sequence[str],
        *,
        image_column: str,
        label_column: str,
        task_column: str | None,
        label_names: bool,
        topic: str,
    ) -> None:
        self._topic = topic
        self._files: list[Any] = []
        self.footers: list[bytes] = []
        named: dict[str, Any] = {}
        for path in _expand(paths, topic=topic):
            try:
                self.footers.append(_footer(path))
                self._files.append(named.setdefault(path, parquet.ParquetFile(path, memory_map=True)))
            except (OSError, pa.ArrowInvalid) as error:
                self.close()
                raise SourceError(f"{topic}: {path} is not a readable Parquet file: {error}") from error
        schema = self._files[0].schema_arrow
        self._image_column, self._label_column, self._task_column = image_column, label_column, task_column
        self._vectors = check_columns(
            named, image=image_column, label=label_column, task=task_column, topic=topic
        )
        nested = pa.types.is_struct(schema.field(image_column).type)
        self._images = f"{image_column}.bytes" if nested else image_column
        self._names = class_names(schema, label_column, topic=topic) if label_names else None
        self._groups = [(file, group) for file in self._files for group in range(file.num_row_groups)]
        sizes = [file.metadata.row_group(group).num_rows for file, group in self._groups]
        self._starts = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)]).astype(np.int64)
        self.count = int(self._starts[-1])
        self.image_bytes = sum(self._image_bytes(file, group) for file, group in self._groups)

    def _image_bytes(self, file: Any, group: int) -> int:
        row_group = file.metadata.row_group(group)
        chunks = (row_group.column(i) for i in range(row_group.num_columns))
        return sum(
            chunk.total_uncompressed_size
            for chunk in chunks
            if chunk.path_in_schema == self._images or chunk.path_in_schema.startswith(f"{self._images}.")
        )

    def sorted_by(self, column: str | None) -> NDArray[np.int64]:
        """The row numbers in the order of `column`'s values, equal ones as stored, nulls last."""
        values = pa.chunked_array(
            [chunk for file in self._files for chunk in file.read(columns=[column]).column(0).chunks]
        )
        if pa.types.is_dictionary(values.type):
            values = values.cast(values.type.value_type)
        try:
            return np.asarray(pc.sort_indices(values).to_numpy(), dtype=np.int64)
        except pa.ArrowException as error:  # of a list, a struct, a view: the kinds vary
            expected = "expected one that has an order, or order 'stored'"
            raise ConfigError(f"{self._topic}: column {column!r} is {values.type}; {expected}") from error

    def stream(self, start: int) -> Iterator[list[Message]]:
        """The messages from row `start` on, in blocks; one block of one row group is in memory at a time."""
        first = int(np.searchsorted(self._starts, start, side="right")) - 1
        for number in range(first, len(self._groups)):
            for row, batch in self._batches(number):
                skipped = max(0, start - row)
                if skipped < batch.num_rows:
                    rows = range(row + skipped, row + batch.num_rows)
                    yield self._messages(batch.slice(skipped), rows)

    def pick(self, rows: NDArray[np.int64], *, offset: int) -> list[Message]:
        """The messages of `rows` in that order, numbered from `offset`; a row group is read at most once."""
        by_row = np.argsort(rows, kind="stable")
        ascending = rows[by_row]
        found: list[tuple[int, Message]] = []
        for number in np.unique(np.searchsorted(self._starts, ascending, side="right") - 1):
            for row, batch in self._batches(int(number)):
                low, high = np.searchsorted(ascending, [row, row + batch.num_rows])
                if low < high:
                    places = by_row[low:high].tolist()
                    taken = batch.take(pa.array(ascending[low:high] - row))
                    found += zip(places, self._messages(taken, [offset + at for at in places]), strict=True)
        found.sort(key=lambda entry: entry[0])
        return [message for _, message in found]

    def _batches(self, number: int) -> Iterator[tuple[int, Any]]:
        """(number of its first row, record batch) over one row group."""
        file, group = self._groups[number]
        row = int(self._starts[number])
        columns = [column for column in (self._image_column, self._label_column, self._task_column) if column]
        try:
            for batch in file.iter_batches(batch_size=_BLOCK_ROWS, row_groups=[group], columns=columns):
                yield row, batch
                row += batch.num_rows
        except (OSError, pa.ArrowException) as error:
            raise SourceError(
                f"{self._topic}: row group {group}, from row {row} on, cannot be read: {error}"
            ) from error

    def _messages(self, batch: Any, offsets: Sequence[int]) -> list[Message]:
        images = batch.column(self._image_column)
        inputs = _vectors(images) if self._vectors else _pictures(images)
        labels = [self._label(value) for value in batch.column(self._label_column).to_pylist()]
        tasks = batch.column(self._task_column).to_pylist() if self._task_column else [None] * len(labels)
        return [
            Message(value, self._topic, 0, offset, headers=headers + label + name_header("task", task))
            for (value, headers), label, task, offset in zip(inputs, labels, tasks, offsets, strict=True)
        ]

    def _label(self, value: Any) -> tuple[tuple[str, bytes], ...]:
        if self._names is not None and value is not None:
            value = self._names[int(value)] if value in range(len(self._names)) else None
        return name_header("label", value)

    def close(self) -> None:
        """Closes the files."""
        for file in self._files:
            file.close()
        self._files = []
        self._groups = []


def _pictures(column: Any) -> Iterator[tuple[bytes | None, tuple[tuple[str, bytes], ...]]]:
    """Each picture as (bytes, headers); one whose bytes are missing keeps its path, if it has one."""
    paths: Sequence[str | None] = [None] * len(column)
    if pa.types.is_struct(column.type):
        if column.type.get_field_index("path") >= 0:
            paths = column.field("path").to_pylist()
        column = column.field("bytes")
    for value, path in zip(column.to_pylist(), paths, strict=True):
        yield value, _content_type(value) + (name_header("path", path) if value is None else ())


def _content_type(value: bytes | None) -> tuple[tuple[str, bytes], ...]:
    kind = next(
        (kind for magic, kind in _MAGIC if value and value.startswith(magic)), b"application/octet-stream"
    )
    return (("content-type", kind),)


def _vectors(column: Any) -> Iterator[tuple[bytes | None, tuple[tuple[str, bytes], ...]]]:
    """Each list as (float32 bytes, headers)."""
    for scalar in column:
        if not scalar.is_valid:
            yield None, (("content-type", b"application/octet-stream"),)  # a missing value, no tombstone
            continue
        with np.errstate(over="ignore"):  # infinity, which the codec rejects with its place
            vector = scalar.values.to_numpy(zero_copy_only=False).astype("<f4")
        headers = (("content-type", b"application/octet-stream"), ("shape", str(vector.size).encode()))
        yield vector.tobytes(), (*headers, ("dtype", b"float32"))


def _expand(paths: Sequence[str], *, topic: str) -> list[str]:
    files = [file for path in paths for file in ([path] if os.path.isfile(path) else sorted(glob.glob(path)))]
    if not files:
        raise SourceUnreachable(f"{topic}: no file matches {', '.join(paths)}")
    return files


def _footer(path: str) -> bytes:
    """The file's size and the bytes of its footer (schema, offsets and statistics of every row group)."""
    size = os.path.getsize(path)
    with open(path, "rb") as handle:
        handle.seek(max(0, size - 8))
        length = int.from_bytes(handle.read(4), "little")
        handle.seek(max(0, size - 8 - length))
        return size.to_bytes(8, "little") + handle.read(length)
