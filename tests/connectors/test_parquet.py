"""Parquet files: orders, columns, class names, and content that changed under a position."""

from __future__ import annotations

import json
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet

from streamlearner.connectors.files import ParquetSource
from streamlearner.decoding.codec import Codec
from streamlearner.errors import ConfigError, PositionLost, SourceError, SourceUnreachable
from streamlearner.stream import Message
from tests.support.parquet_sources import read, source_of


def header(message: Message, name: str) -> bytes | None:
    return dict(message.headers).get(name)


def table(rows: int, **metadata: str) -> pa.Table:
    images = [{"bytes": b"RIFF%d" % i, "path": f"{i}"} for i in range(rows)]
    columns = {
        "img": images,
        "fine_label": [i * 7 % 5 for i in range(rows)],
        "coarse": ["ab"[i % 2] for i in range(rows)],
    }
    return pa.table(columns).replace_schema_metadata(metadata)


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


def test_a_row_group_that_cannot_be_read_is_an_error_at_every_poll(tmp_path: Path) -> None:
    parquet.write_table(
        table(40), tmp_path / "a", row_group_size=20, compression="none", use_dictionary=False
    )
    data = bytearray((tmp_path / "a").read_bytes())
    second = parquet.ParquetFile(tmp_path / "a").metadata.row_group(1).column(0).data_page_offset
    data[second : second + 30] = b"\xff" * 30
    (tmp_path / "a").write_bytes(data)
    source = source_of(tmp_path / "a")
    source.open(None)
    assert len(source.poll(20, 0.0)) == 20
    for _ in range(2):
        with pytest.raises(SourceError, match="row group 1, from row 20 on, cannot be read"):
            source.poll(20, 0.0)
    assert source.lag() == {0: 20}


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


def test_cifar100_is_read_class_by_class_from_its_stored_order(shared: Path) -> None:
    path = shared / "data" / "cifar100" / "test.parquet"
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


def test_an_unknown_order_is_answered_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"order 'x' is unknown; expected one of stored, label, task"):
        source_of(tmp_path, "x")


def test_sorting_by_task_needs_to_know_the_column(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="needs task_column"):
        ParquetSource(tmp_path, image_column="img", label_column="fine_label", order="task")


def written(path: Path, images: list[Any], labels: list[Any], kind: pa.DataType | None = None) -> None:
    kind = kind or pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    columns = {"img": pa.array(images, kind), "fine_label": labels, "coarse": ["a"] * len(labels)}
    parquet.write_table(pa.table(columns), path, row_group_size=2)


FROM_FILE = {"bytes": None, "path": "cat/1.png"}


def test_a_column_of_paths_without_bytes_is_refused_at_start_with_the_column_and_the_reason(
    tmp_path: Path,
) -> None:
    written(tmp_path / "a", [FROM_FILE] * 5, [1] * 5)
    written(tmp_path / "b", [FROM_FILE, None], [1] * 2)
    with pytest.raises(ConfigError, match=r"column 'img' holds a path and no bytes in all of its 7 rows"):
        source_of(tmp_path / "*").open(None)


@pytest.mark.parametrize(
    ("images", "labels", "said"),
    [
        ([None, None], [1, 2], "column 'img' is null in all of its 2 rows"),
        ([{"bytes": b"x", "path": None}] * 2, pa.nulls(2, pa.int64()), "column 'fine_label' is null"),
        ([], pa.nulls(0, pa.int64()), "column 'img' has no rows"),
    ],
)
def test_a_column_that_holds_nothing_is_refused_at_start(
    tmp_path: Path, images: list[Any], labels: Any, said: str
) -> None:
    written(tmp_path / "a", images, labels)
    with pytest.raises(ConfigError, match=said):
        source_of(tmp_path / "a").open(None)


def test_a_row_with_a_path_alone_is_a_message_that_keeps_the_path(tmp_path: Path) -> None:
    written(tmp_path / "a", [FROM_FILE, {"bytes": b"RIFF", "path": "x"}], [1, 2])
    missing, whole = read(source_of(tmp_path / "a"))
    assert (missing.value, header(missing, "path")) == (None, b"cat/1.png")
    assert (whole.value, header(whole, "path")) == (b"RIFF", None)


def test_files_of_a_glob_that_differ_are_refused_at_start(tmp_path: Path) -> None:
    written(tmp_path / "a", [{"bytes": b"x", "path": None}], [1])
    written(tmp_path / "b", [[1.0]], [1], pa.list_(pa.float32()))
    with pytest.raises(ConfigError, match=r"lists of numbers in .*b and bytes in .*a"):
        source_of(tmp_path / "*").open(None)
    parquet.write_table(pa.table({"img": [b"x"]}), tmp_path / "b")
    with pytest.raises(ConfigError, match=r"no column 'fine_label' in .*b"):
        source_of(tmp_path / "*").open(None)


@pytest.mark.parametrize("mode", ["P", "I;16", "CMYK"])
def test_what_datasets_writes_as_tiff_is_an_example(tmp_path: Path, mode: str) -> None:
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    picture = Image.fromarray(grey.astype(np.uint16) << 8 if mode == "I;16" else grey)
    picture = picture if mode == "I;16" else picture.convert("RGB").convert(mode)
    file = BytesIO()
    picture.save(file, "TIFF")
    rows = pa.table({"img": [{"bytes": file.getvalue(), "path": None}], "fine_label": [1], "coarse": ["a"]})
    parquet.write_table(rows, tmp_path / "a.parquet")
    batch, rejects = Codec().decode(read(source_of(tmp_path / "a.parquet")))
    assert rejects == []
    assert batch.inputs.shape[1:] == ((1, 16, 16) if mode == "I;16" else (3, 16, 16))
    if mode != "P":  # a palette of 6 x 6 x 6 colours holds no ramp
        assert np.array_equal(batch.inputs[0, 0].numpy(), grey)
