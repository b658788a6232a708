"""Image folders, Parquet files and datasets: orders, headers, and content that changed under a position."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet

from connectors.files import DatasetSource, ImageFolderSource, ParquetSource
from connectors.files.indexed import IndexedSource
from streamlearner.errors import ConfigError, PositionLost, SourceError, SourceUnreachable
from streamlearner.stream import Message

SHARED = Path(os.environ.get("STREAMLEARNER_SHARED", Path(__file__).resolve().parents[3] / "shared"))


def read(source: IndexedSource, max_messages: int = 7) -> list[Message]:
    source.open(None)
    messages: list[Message] = []
    while polled := source.poll(max_messages, 0.0):
        messages += polled
    return messages


def header(message: Message, name: str) -> bytes | None:
    return dict(message.headers).get(name)


# image folders


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("dog/b.jpg", "dog/a.PNG", "cat/b.webp", "cat/notes.txt", "cat/z.jpeg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    return tmp_path


def test_a_folder_is_read_by_label_and_files_that_are_no_images_are_passed_over(folder: Path) -> None:
    messages = read(ImageFolderSource(folder))
    assert [m.key for m in messages] == [b"cat/b.webp", b"cat/z.jpeg", b"dog/a.PNG", b"dog/b.jpg"]
    assert [m.value for m in messages] == [m.key for m in messages]
    assert [header(m, "label") for m in messages] == [b"cat", b"cat", b"dog", b"dog"]
    kinds = [b"image/webp", b"image/jpeg", b"image/png", b"image/jpeg"]
    assert [header(m, "content-type") for m in messages] == kinds
    assert [m.offset for m in messages] == [0, 1, 2, 3]


def test_a_folder_can_be_read_by_name_or_shuffled_by_a_seed(folder: Path) -> None:
    by_name = read(ImageFolderSource(folder, order="name"))
    assert [m.key for m in by_name] == [b"dog/a.PNG", b"dog/b.jpg", b"cat/b.webp", b"cat/z.jpeg"]
    orders = {
        tuple(m.key for m in read(ImageFolderSource(folder, order="shuffled", seed=s))) for s in range(9)
    }
    assert len(orders) > 1
    again = [read(ImageFolderSource(folder, order="shuffled", seed=5)) for _ in range(2)]
    assert again[0] == again[1]


@pytest.mark.parametrize("change", ["added", "removed", "resized", "reordered"])
def test_a_folder_that_changed_under_a_position_is_an_error(folder: Path, change: str) -> None:
    source = ImageFolderSource(folder)
    source.open(None)
    source.poll(1, 0.0)
    if change == "added":
        (folder / "dog" / "c.png").write_bytes(b"x")
    elif change == "removed":
        (folder / "cat" / "b.webp").unlink()
    elif change == "resized":
        (folder / "dog" / "b.jpg").write_bytes(b"x")
    order = "name" if change == "reordered" else "label"
    with pytest.raises(PositionLost, match="added, removed or changed"):
        ImageFolderSource(folder, order=order).open(source.position)


def test_an_image_that_vanished_is_an_error_and_is_read_when_it_is_back(folder: Path) -> None:
    source = ImageFolderSource(folder)
    source.open(None)
    (folder / "dog" / "a.PNG").rename(folder / "away")
    with pytest.raises(SourceError, match=r"images\[0\]@2.*put it back"):
        source.poll(4, 0.0)
    (folder / "away").rename(folder / "dog" / "a.PNG")
    assert len(source.poll(4, 0.0)) == 4


def test_a_folder_that_is_not_there_is_unreachable(tmp_path: Path) -> None:
    with pytest.raises(SourceUnreachable, match="cannot be listed"):
        ImageFolderSource(tmp_path / "none").open(None)


# datasets


class Pairs:
    def __init__(self, images: Sequence[Any], labels: Sequence[Any]) -> None:
        self.images, self.labels_of = images, labels
        self.decoded = 0

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        self.decoded += 1
        return self.images[index], self.labels_of[index]


class PairsWithTargets(Pairs):
    @property
    def targets(self) -> Sequence[Any]:
        return self.labels_of


def test_images_of_any_kind_become_raw_bytes_with_their_shape() -> None:
    grey = Image.new("L", (3, 2), 9)
    colour, palette, bits = grey.convert("RGB"), grey.convert("P"), grey.convert("1")
    array, vector = np.zeros((4, 5, 3), np.uint8), np.asarray([0.5, 2], ">f4")
    messages = read(DatasetSource(Pairs([grey, colour, palette, bits, array, vector], "abcdef"), name="d"))
    shapes = [b"2,3,1", b"2,3,3", b"2,3,3", b"2,3,1", b"4,5,3", b"2"]
    assert [header(m, "shape") for m in messages] == shapes
    assert [header(m, "dtype") for m in messages] == [b"uint8"] * 5 + [b"float32"]
    assert messages[0].value == b"\x09" * 6
    assert np.frombuffer(messages[5].value or b"", "<f4").tolist() == [0.5, 2.0]
    assert [header(m, "label") for m in messages] == [b"a", b"b", b"c", b"d", b"e", b"f"]


def test_labels_of_numpy_are_written_as_plain_numbers() -> None:
    (message,) = read(DatasetSource(Pairs([np.zeros(2, np.float32)], [np.int64(7)]), name="d"))
    assert header(message, "label") == b"7"


@pytest.mark.parametrize("kind", [Pairs, PairsWithTargets])
def test_sorting_by_label_is_stable_and_reads_targets_where_there_are_any(kind: type[Pairs]) -> None:
    pairs = kind([np.full((2, 2), i, np.uint8) for i in range(200)], [i % 3 for i in range(200)])
    source = DatasetSource(pairs, name="d", order="label")
    source.open(None)
    assert (pairs.decoded < 100) == (kind is PairsWithTargets)
    firsts = [(m.value or b"")[0] for m in read(source)]
    assert firsts == sorted(range(200), key=lambda i: (i % 3, i))


def test_a_dataset_with_other_content_is_not_the_same() -> None:
    images = [np.full(4, i, np.float32) for i in range(10)]
    source = DatasetSource(Pairs(images, list(range(10))), name="d")
    source.open(None)
    source.poll(3, 0.0)
    with pytest.raises(PositionLost):
        DatasetSource(Pairs([image + 1 for image in images], list(range(10))), name="d").open(source.position)


# Parquet


def table(rows: int, **metadata: str) -> pa.Table:
    images = [{"bytes": b"RIFF%d" % i, "path": f"{i}"} for i in range(rows)]
    columns = {
        "img": images,
        "fine_label": [i * 7 % 5 for i in range(rows)],
        "coarse": ["ab"[i % 2] for i in range(rows)],
    }
    return pa.table(columns).replace_schema_metadata(metadata)


def source_of(path: Path, order: str = "stored", **settings: Any) -> ParquetSource:
    return ParquetSource(
        path, image_column="img", label_column="fine_label", task_column="coarse", order=order, **settings
    )


@pytest.mark.parametrize("max_index_bytes", [1, 100, 10**9])
def test_every_order_is_stable_and_complete_whatever_fits_in_memory(
    tmp_path: Path, max_index_bytes: int
) -> None:
    for name, start in (("a", 0), ("b", 30)):
        parquet.write_table(table(60).slice(start, 30), tmp_path / name, row_group_size=8)
    rows = list(range(60))
    expected = {
        "stored": rows,
        "label": sorted(rows, key=lambda i: i * 7 % 5),
        "task": sorted(rows, key=lambda i: "ab"[i % 2]),
    }
    for order, wanted in expected.items():
        messages = read(source_of(tmp_path / "*", order, max_index_bytes=max_index_bytes))
        assert [m.value for m in messages] == [b"RIFF%d" % i for i in wanted]
        assert [m.offset for m in messages] == rows
        assert [header(m, "label") for m in messages] == [str(i * 7 % 5).encode() for i in wanted]
        assert [header(m, "task") for m in messages] == [b"ab"[i % 2 :][:1] for i in wanted]
    shuffled = read(source_of(tmp_path / "*", "shuffled", seed=1, max_index_bytes=max_index_bytes))
    assert {m.value for m in shuffled} == {b"RIFF%d" % i for i in rows}
    assert [m.value for m in shuffled] != [b"RIFF%d" % i for i in rows]


@pytest.mark.parametrize(
    "metadata",
    [
        {"fine_names": json.dumps(list("vwxyz"))},
        {"huggingface": json.dumps({"info": {"features": {"fine_label": {"names": list("vwxyz")}}}})},
    ],
    ids=["beside the column", "hugging face"],
)
def test_class_names_come_from_the_schema(tmp_path: Path, metadata: dict[str, str]) -> None:
    parquet.write_table(table(5, **metadata), tmp_path / "a")
    messages = read(source_of(tmp_path / "a", label_names=True))
    assert [header(m, "label") for m in messages] == [b"v", b"x", b"z", b"w", b"y"]


def test_class_names_that_are_not_there_are_a_mistake_in_the_settings(tmp_path: Path) -> None:
    parquet.write_table(table(5), tmp_path / "a")
    with pytest.raises(ConfigError, match="no class names"):
        source_of(tmp_path / "a", label_names=True).open(None)


@pytest.mark.parametrize(
    "kind", [pa.list_(pa.float64()), pa.list_(pa.float32(), 3), pa.large_list(pa.int16())]
)
def test_lists_of_numbers_become_float32_vectors(tmp_path: Path, kind: pa.DataType) -> None:
    column = pa.array([[1, 2, 3], None, [4, 5, 6]], kind)
    parquet.write_table(
        pa.table({"img": column, "fine_label": [1, 2, None], "coarse": ["a"] * 3}), tmp_path / "a"
    )
    first, missing, last = read(source_of(tmp_path / "a"))
    assert np.frombuffer(first.value or b"", "<f4").tolist() == [1, 2, 3]
    assert (header(first, "shape"), header(first, "dtype")) == (b"3", b"float32")
    assert missing.value is None
    assert header(last, "label") is None


def test_parquet_files_that_changed_under_a_position_are_an_error(tmp_path: Path) -> None:
    parquet.write_table(table(20), tmp_path / "a")
    source = source_of(tmp_path / "a")
    source.open(None)
    source.poll(3, 0.0)
    with pytest.raises(PositionLost):
        source_of(tmp_path / "a", "label").open(source.position)
    parquet.write_table(table(21), tmp_path / "a")
    with pytest.raises(PositionLost):
        source_of(tmp_path / "a").open(source.position)


def test_what_is_no_parquet_file_or_lacks_a_column_is_named(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"not parquet at all")
    with pytest.raises(SourceError, match="a is not a readable Parquet file"):
        source_of(tmp_path / "a").open(None)
    parquet.write_table(pa.table({"img": ["text"], "fine_label": [1], "coarse": ["a"]}), tmp_path / "b")
    with pytest.raises(ConfigError, match="expected bytes"):
        source_of(tmp_path / "b").open(None)
    parquet.write_table(pa.table({"img": [b"x"]}), tmp_path / "c")
    with pytest.raises(ConfigError, match=r"no column 'fine_label'.*it has img"):
        source_of(tmp_path / "c").open(None)
    with pytest.raises(SourceUnreachable, match="no file matches"):
        source_of(tmp_path / "none*").open(None)


@pytest.mark.parametrize("make", [lambda p: ImageFolderSource(p, order="x"), lambda p: source_of(p, "x")])
def test_an_unknown_order_is_answered_with_those_there_are(make: Any, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"order 'x' is unknown; expected one of .*label"):
        make(tmp_path)


def test_cifar100_is_read_class_by_class_from_its_stored_order() -> None:
    path = SHARED / "data" / "cifar100" / "test.parquet"
    if not path.is_file():
        pytest.skip(f"no {path}")
    source = ParquetSource(
        path, image_column="img", label_column="fine_label", order="label", label_names=True
    )
    messages = read(source, 1000)
    labels = [header(m, "label") for m in messages]
    assert len(labels) == 10_000
    assert labels[:100] == [b"apple"] * 100
    assert sum(a != b for a, b in pairwise(labels)) == 99
    assert {header(m, "content-type") for m in messages} <= {b"image/webp", b"image/png"}
