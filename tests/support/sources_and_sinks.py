"""A backlog of COUNT messages for every connector, as the conformance suite takes it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from streamlearner.connectors.files import DatasetSource, ImageFolderSource, JsonLinesSource, ParquetSource
from streamlearner.connectors.joined import JoinedSource
from streamlearner.connectors.memory import MemorySource
from streamlearner.connectors.push import PushLog, PushRecord, PushSource
from streamlearner.stream import Message, Position, Source
from streamlearner.testing.backlog import Backlog

COUNT = 23
NAP_S = 0.01


def memory(folder: Path) -> Backlog:
    messages = [Message(f"{i}".encode(), "memory", 0, i) for i in range(COUNT)]
    return Backlog(lambda: MemorySource(messages), count=COUNT, alien={"index": COUNT + 1})


def memory_endless(folder: Path) -> Backlog:
    messages = [Message(f"{i}".encode(), "memory", 0, i) for i in range(COUNT)]
    return Backlog(
        lambda: MemorySource(messages, finite=False), count=COUNT, alien={"index": -1}, finite=False
    )


def write_lines(folder: Path) -> Position:
    """Three files of which one is empty, with blank lines; and the position of a file that was replaced."""
    for name, lines in (("a", range(9)), ("b", range(0)), ("c", range(9, COUNT))):
        text = "".join(f'{{"input": [{i}], "label": {i}}}\n\n' for i in lines)
        (folder / f"{name}.jsonl").write_text(text)
    state = {"offset": 10, "check_bytes": 10, "check_sha256": "0" * 64, "ended": False}
    return {"current": "a.jsonl", "files": {"a.jsonl": state}}


def json_lines(folder: Path) -> Backlog:
    alien = write_lines(folder)
    return Backlog(lambda: JsonLinesSource(folder / "*.jsonl"), count=COUNT, alien=alien)


def json_lines_followed(folder: Path) -> Backlog:
    alien = write_lines(folder)
    return Backlog(
        lambda: JsonLinesSource(folder / "*.jsonl", follow=True, look_every_s=NAP_S),
        count=COUNT,
        alien=alien,
        finite=False,
    )


def images(folder: Path) -> Backlog:
    for i in range(COUNT):
        path = folder / f"class {i % 3}" / f"{i:03}.png"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"\x89PNG" + bytes([i]))
    return Backlog(
        lambda: ImageFolderSource(folder, order="shuffled", seed=3),
        count=COUNT,
        alien={"manifest": "0", "index": 3},
    )


def parquet_in(order: str, **limits: int) -> Callable[[Path], Backlog]:
    def make(folder: Path) -> Backlog:
        for name, rows in (("a", range(9)), ("b", range(9, COUNT))):
            table = pa.table(
                {
                    "img": [{"bytes": b"\x89PNG" + bytes([i]) * 40, "path": None} for i in rows],
                    "label": [i % 3 for i in rows],
                    "task": [i % 2 for i in rows],
                }
            )
            parquet.write_table(table, folder / f"{name}.parquet", row_group_size=4)

        def connect() -> Source:
            return ParquetSource(
                folder / "*.parquet",
                image_column="img",
                label_column="label",
                task_column="task",
                order=order,
                **limits,
            )

        return Backlog(connect, count=COUNT, alien={"manifest": "0", "index": 3})

    return make


class Digits:
    """A dataset as torchvision makes them: images by index, `targets` beside them."""

    targets: ClassVar = [i % 4 for i in range(COUNT)]

    def __len__(self) -> int:
        return COUNT

    def __getitem__(self, index: int) -> tuple[Any, int]:
        return np.full((2, 2), index, dtype=np.uint8), self.targets[index]


def dataset(folder: Path) -> Backlog:
    return Backlog(
        lambda: DatasetSource(Digits(), name="digits", order="label"),
        count=COUNT,
        alien={"manifest": "0", "index": 3},
    )


def push(folder: Path) -> Backlog:
    log = PushLog(folder / "push.sqlite")
    headers = (("label", b"\xff\x00"),)
    log.append([PushRecord(f"{i}".encode(), key=b"k", headers=headers, id=f"id {i}") for i in range(COUNT)])
    alien = {"log": "another", "offset": 3}
    return Backlog(lambda: PushSource(log), count=COUNT, alien=alien, finite=False, cleanup=log.close)


def memory_joined(folder: Path) -> Backlog:
    """By labels that came later, each of them before the first poll."""
    log, labels = PushLog(folder / "labels.sqlite"), 7
    log.append([PushRecord(b"label %d" % i, id=f"id {i}") for i in range(labels)])
    messages = [Message(f"{i}".encode(), "memory", 0, i) for i in range(COUNT - labels)]

    def connect() -> Source:
        return JoinedSource(MemorySource(messages), log, path=folder / "taken.jsonl")

    return Backlog(connect, count=COUNT, alien={"index": COUNT}, cleanup=log.close)


LOCAL: dict[str, Callable[[Path], Backlog]] = {
    "memory": memory,
    "memory_endless": memory_endless,
    "json_lines": json_lines,
    "json_lines_followed": json_lines_followed,
    "images": images,
    "parquet_stored": parquet_in("stored"),
    "parquet_label": parquet_in("label"),
    "parquet_task_in_small_windows": parquet_in("task", max_index_bytes=200),
    "dataset": dataset,
    "push": push,
    "memory_joined": memory_joined,
}
