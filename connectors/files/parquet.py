"""Parquet files with images (as Hugging Face lays them out) or feature vectors."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from streamlearner.connectors.files.indexed import IndexedSource, check_order, digest_of, shuffled
from streamlearner.errors import ConfigError
from streamlearner.stream import Message

if TYPE_CHECKING:
    from streamlearner.connectors.files.parquet_table import ParquetTable

_ORDERS = ("stored", "label", "task", "shuffled")


class ParquetSource(IndexedSource):
    """One message for each row of the files `paths` (paths or globs; a glob's files in sorted order).

    `image_column` holds struct{bytes, path} or bytes (sent as they are, content-type read from their first
    bytes) or lists of numbers (sent as raw little-endian float32 with shape and dtype). The label is the
    column's value, or with `label_names` the class name that the schema's metadata gives it. A null becomes
    a missing header or value, for the codec to reject.

    Order "stored" streams row group by row group. "label", "task" (rows within one stay as stored) and
    "shuffled" (by `seed`) read the label columns first, then rows in windows of about `max_index_bytes` of
    images: files up to that size are read once and kept; larger ones are passed over once for each window.
    Memory is about two windows. The digest covers each file's size and footer (schema, row groups,
    statistics) and the whole order.
    """

    def __init__(
        self,
        paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
        *,
        image_column: str,
        label_column: str,
        task_column: str | None = None,
        order: str = "stored",
        seed: int = 0,
        label_names: bool = False,
        max_index_bytes: int = 512 << 20,
        name: str = "parquet",
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        super().__init__(name=name, sleep=sleep)
        if order == "task" and task_column is None:
            raise ConfigError(f"{name}: order 'task' needs task_column, the column to sort by")
        self._paths = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
        self._columns = (image_column, label_column, task_column)
        self._order = check_order(order, _ORDERS, name=name)
        self._seed = seed
        self._label_names = label_names
        self._max_index_bytes = max_index_bytes
        self._table: ParquetTable | None = None
        self._rows: NDArray[np.int64] | None = None  # the row at each index; None: as stored
        self._window: list[Message] = []
        self._window_start = 0
        self._stream: Iterator[list[Message]] | None = None

    def _load(self) -> tuple[int, str]:
        from streamlearner.connectors.files.parquet_table import (
            ParquetTable,
        )  # pyarrow: 60 MB that other sources can do without

        self.close()
        image, label, task = self._columns
        table = ParquetTable(
            [os.fspath(path) for path in self._paths],
            image_column=image,
            label_column=label,
            task_column=task,
            label_names=self._label_names,
            topic=self.name,
        )
        self._table, self._rows = table, self._arrange(table)
        order = b"stored" if self._rows is None else self._rows.tobytes()
        columns = [str(column).encode() for column in (*self._columns, self._label_names)]
        return table.count, digest_of([*table.footers, *columns, order])

    def _arrange(self, table: ParquetTable) -> NDArray[np.int64] | None:
        if self._order == "stored":
            return None
        if self._order == "shuffled":
            return shuffled(table.count, seed=self._seed)
        return table.sorted_by(self._columns[1 if self._order == "label" else 2])

    def _read(self, start: int, stop: int) -> list[Message]:
        messages: list[Message] = []
        while start < stop:
            if not 0 <= start - self._window_start < len(self._window):
                self._fetch(start)
            part = self._window[start - self._window_start : stop - self._window_start]
            messages += part
            start += len(part)
        return messages

    def _fetch(self, start: int) -> None:
        """Makes the window begin at `start`."""
        table = self._table
        assert table is not None  # _read follows _load
        if self._rows is not None:
            rows = max(1, table.count * self._max_index_bytes // max(1, table.image_bytes))
            self._window = []  # freed before the next is built
            self._window = table.pick(self._rows[start : start + rows], offset=start)
        else:
            stream, self._stream = (
                self._stream or table.stream(start),
                None,
            )  # one that raised is not used again
            self._window = next(stream)
            self._stream = stream
        self._window_start = start

    def close(self) -> None:
        self._window, self._window_start, self._stream = [], 0, None
        if self._table is not None:
            self._table.close()
            self._table = None
