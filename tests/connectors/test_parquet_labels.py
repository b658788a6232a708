"""Labels of Parquet columns, whatever type a writer gave them, and columns that can name no class."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from streamlearner.decoding.codec import Codec
from streamlearner.errors import ConfigError
from tests.support.parquet_sources import read, source_of


def labelled(path: Path, labels: pa.Array, **settings: Any) -> tuple[list[Any], list[str]]:
    """(labels, reasons of rejects) of rows with these labels."""
    vectors = [[1.0, 2.0]] * len(labels)
    parquet.write_table(pa.table({"img": vectors, "fine_label": labels, "coarse": ["a"] * len(labels)}), path)
    batch, rejects = Codec().decode(read(source_of(path, **settings)))
    return list(batch.labels), [reject.reason for reject in rejects]


@pytest.mark.parametrize(
    ("labels", "classes", "reasons"),
    [
        (pa.array([2.0, float("nan"), None, 0.0]), [2, 0], ["label", "label"]),  # as pandas writes gaps
        (pa.array([0.25, 1.0, float("inf")]), [1], ["label", "label"]),
        (pa.array([Decimal(3), Decimal("1.5")]), [3], ["label"]),
        (pa.array([Decimal(10) ** 30], pa.decimal128(38, 0)), [], ["label"]),
        (pa.array([True, False]), ["true", "false"], []),
        (pa.array([b"cat", "größe".encode(), b"\xff"]), ["cat", "größe"], ["label"]),
        (pa.array([1.0, 2.0]).dictionary_encode(), [1, 2], []),
        (pa.array([{"a": 1.0, "b": True}, {"b": False}]), [{"a": 1, "b": "true"}, {"b": "false"}], []),
        (pa.array([{"a": 1.5}, {"a": None}]), [], ["label", "label"]),
        (pa.array(["x"], pa.string_view()), ["x"], []),
    ],
)
def test_a_class_is_called_as_in_every_other_format(
    tmp_path: Path, labels: pa.Array, classes: list[Any], reasons: list[str]
) -> None:
    assert labelled(tmp_path / "a", labels) == (classes, reasons)


def test_a_column_that_cannot_name_a_class_is_refused_at_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"column 'fine_label' is list<.*expected texts, integers"):
        labelled(tmp_path / "a", pa.array([[1], [2]]))


def test_a_column_without_an_order_is_refused_where_it_should_order(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"column 'fine_label' is struct.*expected one that has an order"):
        labelled(tmp_path / "a", pa.array([{"a": 1}, {"a": 2}]), order="label")
