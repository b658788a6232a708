"""Sources of Parquet files with the columns `img`, `fine_label` and `coarse`, and all that they give."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from streamlearner.connectors.files import ParquetSource
from streamlearner.connectors.files.indexed import IndexedSource
from streamlearner.stream import Message


def read(source: IndexedSource, max_messages: int = 7) -> list[Message]:
    source.open(None)
    messages: list[Message] = []
    while polled := source.poll(max_messages, 0.0):
        messages += polled
    return messages


def source_of(path: Path, order: str = "stored", **settings: Any) -> ParquetSource:
    return ParquetSource(
        path, image_column="img", label_column="fine_label", task_column="coarse", order=order, **settings
    )
