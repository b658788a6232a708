"""A file source that is opened while no file descriptor is left waits for one, and reads all."""

from __future__ import annotations

import json
import os
import resource
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from streamlearner.connectors.files import ImageFolderSource, JsonLinesSource, ParquetSource
from streamlearner.errors import SourceUnreachable
from streamlearner.stream import Source

Sleep = Callable[[float], None]


class Strangers:
    """Hold every file descriptor; all are let go after so many naps."""

    def __init__(self) -> None:
        self.held: list[int] = []
        self.naps = 0

    def take_all(self) -> None:
        while True:
            try:
                self.held.append(os.open(os.devnull, os.O_RDONLY))
            except OSError:
                return

    def let_go(self) -> None:
        for file in self.held:
            os.close(file)
        self.held.clear()

    def nap(self, seconds: float) -> None:
        self.naps += 1
        if self.naps == 3:
            self.let_go()


@pytest.fixture
def strangers() -> Iterator[Strangers]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = max(map(int, os.listdir("/proc/self/fd")))
    resource.setrlimit(resource.RLIMIT_NOFILE, (used + 10, hard))
    made = Strangers()
    yield made
    made.let_go()
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def json_lines(folder: Path, sleep: Sleep) -> Source:
    (folder / "a").mkdir()
    for name in ("a/one.jsonl", "a/two.jsonl"):
        (folder / name).write_text(json.dumps({"input": [1.0], "label": 1}) + "\n")
    return JsonLinesSource(folder / "**" / "*.jsonl", sleep=sleep)


def images(folder: Path, sleep: Sleep) -> Source:
    for label in ("cat", "dog"):
        (folder / label).mkdir()
        Image.fromarray(np.zeros((4, 4), np.uint8)).save(folder / label / "1.png")
    return ImageFolderSource(folder, sleep=sleep)


def parquet(folder: Path, sleep: Sleep) -> Source:
    table = pa.table({"image": [[1.0, 2.0], [3.0, 4.0]], "label": [0, 1]})
    pq.write_table(table, folder / "rows.parquet")
    return ParquetSource(folder / "rows.parquet", image_column="image", label_column="label", sleep=sleep)


@pytest.mark.parametrize("make", [json_lines, images, parquet])
def test_it_is_opened_once_there_is_one(
    make: Callable[[Path, Sleep], Source],
    tmp_path: Path,
    strangers: Strangers,
    caplog: pytest.LogCaptureFixture,
) -> None:
    source = make(tmp_path, strangers.nap)
    strangers.take_all()
    source.open(None)
    assert strangers.naps == 3 and source.connected
    assert len(source.poll(10, 0.0)) == 2
    source.close()
    assert sum("no file descriptor is left" in record.getMessage() for record in caplog.records) == 1


@pytest.mark.parametrize("make", [json_lines, images, parquet])
def test_a_stop_ends_the_waiting(
    make: Callable[[Path, Sleep], Source], tmp_path: Path, strangers: Strangers
) -> None:
    source = make(tmp_path, lambda _: source.interrupt())
    strangers.take_all()
    with pytest.raises(SourceUnreachable, match="stopped"):
        source.open(None)
    strangers.let_go()
    source.open(None)
    assert len(source.poll(10, 0.0)) == 2
    source.close()
