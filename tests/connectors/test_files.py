"""Image folders and datasets: orders, headers, and content that changed under a position."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from streamlearner.connectors.files import DatasetSource, ImageFolderSource
from streamlearner.errors import ConfigError, PositionLost, SourceError, SourceUnreachable
from streamlearner.stream import Message
from tests.support.parquet_sources import read


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


def test_an_unknown_order_is_answered_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"order 'x' is unknown; expected one of stored, label, name"):
        ImageFolderSource(tmp_path, order="x")


def test_a_folder_without_an_image_is_refused_at_start(tmp_path: Path) -> None:
    (tmp_path / "1.png").write_bytes(b"x")
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat" / "1.bmp").write_bytes(b"x")
    with pytest.raises(ConfigError, match=r"no example in it: expected images .*itself holds 1 files"):
        ImageFolderSource(tmp_path).open(None)


def test_an_empty_data_set_is_refused_at_start() -> None:
    with pytest.raises(ConfigError, match="no example in it"):
        DatasetSource(Pairs([], []), name="d").open(None)
