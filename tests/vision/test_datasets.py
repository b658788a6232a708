"""Picture sets: torchvision's files first, then parquet."""

from __future__ import annotations

import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from numpy.typing import NDArray
from PIL import Image

from streamlearner.errors import ConfigError
from streamlearner.vision import datasets as picture_sets
from streamlearner.vision import torchvision as vision
from streamlearner.vision.datasets import ALPHABETS, COARSE_NAMES, COARSE_OF_FINE, read

FINE = [3, 99, 42, 7]


def encoded(image: NDArray[np.uint8]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file.getvalue()


def write(path: Path, pictures: list[bytes], names: dict[str, list[str]], **columns: list[int]) -> None:
    path.parent.mkdir(parents=True)
    img = [{"bytes": data, "path": f"{row:03}.png"} for row, data in enumerate(pictures)]
    table = pyarrow.table({"img": img} | columns)
    metadata = {name: json.dumps(listed) for name, listed in names.items()}
    pyarrow.parquet.write_table(table.replace_schema_metadata(metadata), path)


def cifar(folder: Path) -> NDArray[np.uint8]:
    """Four images, one coarse class each."""
    images = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    names = {"coarse_names": ["fish", "trees"]}
    pictures = [encoded(image) for image in images]
    write(folder / "cifar100/train.parquet", pictures, names, fine_label=FINE, coarse_label=[1, 0, 0, 1])
    return images


def omniglot(folder: Path) -> None:
    """Two characters of twenty drawings, each a black column at its number on white paper."""
    pictures = []
    for number in range(40):
        paper = np.full((105, 105), 255, dtype=np.uint8)
        paper[:, 5 * (number % 20) + 1 : 5 * (number % 20) + 5] = 0
        pictures.append(encoded(paper))
    names = {"character_names": ["Greek/character01", "Latin/character01"]}
    numbers = [number // 20 for number in range(40)]
    write(folder / "omniglot/small.parquet", pictures, names, character=numbers, alphabet=numbers)


def test_a_parquet_set_is_read_whole_with_the_group_of_each_class(tmp_path: Path) -> None:
    images = cifar(tmp_path)
    found = read("CIFAR100", folder=tmp_path, train=True)
    assert (found.images == images).all()
    assert (found.labels, found.groups) == (FINE, ["trees", "fish", "fish", "trees"])


def test_a_part_is_taken_at_even_distances(tmp_path: Path) -> None:
    images = cifar(tmp_path)
    found = read("CIFAR100", folder=tmp_path, train=True, most=2)
    assert (found.images == images[[0, 2]]).all()
    assert found.labels == [3, 42]
    assert picture_sets.spread(3, 10).tolist() == [0, 1, 2]


def test_each_character_has_fifteen_drawings_to_learn_and_five_others_to_test(tmp_path: Path) -> None:
    omniglot(tmp_path)
    halves = [read("Omniglot", folder=tmp_path, train=train) for train in (True, False)]
    assert [half.images.shape for half in halves] == [(30, 28, 28), (10, 28, 28)]
    assert [half.labels for half in halves] == [[0] * 15 + [1] * 15, [0] * 5 + [1] * 5]
    assert halves[1].groups == ["Greek"] * 5 + ["Latin"] * 5
    for character in (0, 1):
        images = np.concatenate([half.images[np.array(half.labels) == character] for half in halves])
        columns = {int(image.sum(0, dtype=np.int64).argmax()) for image in images}
        assert len({image.tobytes() for image in images}) == 20
        assert len(columns) > 15  # light where the ink was
        assert images.mean() < 30
    again = read("Omniglot", folder=tmp_path, train=False)
    assert (again.images == halves[1].images).all()


def test_torchvisions_files_come_first_and_know_the_coarse_classes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cifar(tmp_path)
    (tmp_path / "cifar-100-python").mkdir()
    images = np.zeros((4, 32, 32, 3), dtype=np.uint8)
    asked: list[dict[str, Any]] = []

    def dataset(name: str, **words: Any) -> Any:
        asked.append({"name": name} | words)
        return SimpleNamespace(data=images, targets=FINE)

    monkeypatch.setattr(vision, "dataset", dataset)
    found = read("CIFAR100", folder=tmp_path, train=True)
    assert asked == [{"name": "CIFAR100", "root": tmp_path, "train": True, "download": False}]
    assert not found.images.any()
    assert found.groups == ["large_carnivores", "non-insect_invertebrates", "large_carnivores", "insects"]


def test_of_torchvisions_omniglot_the_same_eight_alphabets_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    characters = ["Greek/character01", "Futurama/character01"]
    for character in characters:
        (tmp_path / character).mkdir(parents=True)
        for drawing in range(20):
            Image.new("L", (105, 105), 255).save(tmp_path / character / f"{drawing:02}.png")
    flat = [(f"{drawing:02}.png", number) for number in (0, 1) for drawing in range(20)]
    whole = SimpleNamespace(_flat_character_images=flat, _characters=characters, target_folder=str(tmp_path))
    monkeypatch.setattr(vision, "dataset", lambda name, **words: whole)
    found = read("Omniglot", folder=tmp_path, train=False)
    assert found.groups == ["Greek"] * 5
    assert "Futurama" not in ALPHABETS


def test_a_set_that_is_nowhere_names_both_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def dataset(name: str, **words: Any) -> Any:
        raise ConfigError(f"{name} cannot be read under {words['root']}")

    monkeypatch.setattr(vision, "dataset", dataset)
    with pytest.raises(ConfigError, match=r"cannot be read under .*; nor is there .*cifar100/train\.parquet"):
        read("CIFAR100", folder=tmp_path, train=True)


def test_the_table_of_coarse_classes_is_the_one_of_the_shared_files() -> None:
    path = Path(__file__).resolve().parents[3] / "shared/data/cifar100/test.parquet"
    if not path.is_file():
        pytest.skip("needs the shared folder beside the repository")
    table = pyarrow.parquet.read_table(path, columns=["fine_label", "coarse_label"])
    pairs = zip(table["fine_label"].to_pylist(), table["coarse_label"].to_pylist(), strict=True)
    assert all(COARSE_OF_FINE[fine] == coarse for fine, coarse in pairs)
    assert tuple(json.loads(table.schema.metadata[b"coarse_names"])) == COARSE_NAMES
    assert tuple(sorted(COARSE_NAMES)) == COARSE_NAMES
