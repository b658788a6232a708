"""Labelled pictures by the name of their set: torchvision's own files, or the parquet files beside them.

A parquet file has the columns of the Hugging Face layout: a picture as `struct<bytes, path>` of an encoded
file, a class number, and what groups the classes, whose names the schema's metadata holds.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from streamlearner.errors import ConfigError
from streamlearner.vision import torchvision as vision

COARSE_OF_FINE = (
    4, 1, 14, 8, 0, 6, 7, 7, 18, 3, 3, 14, 9, 18, 7, 11, 3, 9, 7, 11, 6, 11, 5, 10, 7, 6, 13, 15, 3, 15,
    0, 11, 1, 10, 12, 14, 16, 9, 11, 5, 5, 19, 8, 8, 15, 13, 14, 17, 18, 10, 16, 4, 17, 4, 2, 0, 17, 4, 18,
    17, 10, 3, 2, 12, 12, 16, 12, 1, 9, 19, 2, 10, 0, 1, 16, 12, 9, 13, 15, 13, 16, 19, 2, 4, 6, 19, 5, 5,
    8, 19, 18, 1, 2, 15, 6, 0, 17, 8, 14, 13,
)  # fmt: skip
"""CIFAR-100: the coarse class of each of its 100 fine ones; torchvision hands out only the fine."""
COARSE_NAMES = (
    "aquatic_mammals", "fish", "flowers", "food_containers", "fruit_and_vegetables",
    "household_electrical_devices", "household_furniture", "insects", "large_carnivores",
    "large_man-made_outdoor_things", "large_natural_outdoor_scenes", "large_omnivores_and_herbivores",
    "medium_mammals", "non-insect_invertebrates", "people", "reptiles", "small_mammals", "trees",
    "vehicles_1", "vehicles_2",
)  # fmt: skip
"""In the order of their numbers, which is that of the alphabet."""

ALPHABETS = (
    "Balinese", "Early_Aramaic", "Greek", "Japanese_(katakana)", "Korean", "Latin", "Sanskrit", "Tagalog",
)  # fmt: skip
"""The eight of Omniglot's alphabets that are read: 242 characters of 20 drawings each."""
DRAWINGS_TO_TEST = 5
"""Of the 20 of each character; the other 15 are to learn from."""
OMNIGLOT_SIDE = 28
"""Pixels: as paper 003 (section 3) has it; the drawings are 105 wide."""


@dataclass(frozen=True, slots=True)
class PictureSet:
    """`images` [n, H, W] or [n, H, W, C] uint8; `labels` class numbers; `groups` the name of what each class
    belongs to (coarse class, alphabet), or None where a set has no such."""

    images: NDArray[np.uint8]
    labels: list[int]
    groups: list[str] | None = None


def read(
    name: str, *, folder: Path, train: bool, download: bool = False, most: int | None = None
) -> PictureSet:
    """One half of a set: `name` as torchvision spells it. With `most`, so many rows at even distances: all
    of CIFAR-100 takes 20 s to decode.

    torchvision's files under `folder` come first (fetched with `download`), then the parquet file. Raises
    ConfigError where there is neither.
    """
    reader = PARQUET.get((name, train))
    if reader and not download and reader.lies_in(folder):
        return reader.read(folder / reader.file, train=train, most=most)
    try:
        return _from_torchvision(name, folder=folder, train=train, download=download, most=most)
    except ConfigError as error:
        beside = f"; nor is there {folder / reader.file}" if reader else ""
        raise ConfigError(f"{error}{beside}") from error


def _from_torchvision(
    name: str, *, folder: Path, train: bool, download: bool, most: int | None
) -> PictureSet:
    dataset = vision.dataset(name, root=folder, train=name == "Omniglot" or train, download=download)
    if name == "Omniglot":
        return _split_omniglot(_drawings(dataset), train=train, most=most)
    labels = np.asarray(dataset.targets if hasattr(dataset, "targets") else dataset.labels)
    rows = spread(len(labels), most)
    groups = [COARSE_NAMES[COARSE_OF_FINE[i]] for i in labels[rows]] if name == "CIFAR100" else None
    return PictureSet(np.asarray(dataset.data)[rows], labels[rows].tolist(), groups)


def spread(count: int, most: int | None) -> NDArray[np.int64]:
    """The numbers of at most `most` of `count` rows, at even distances."""
    wanted = count if most is None else min(most, count)
    return np.arange(wanted, dtype=np.int64) * count // max(wanted, 1)


@dataclass(frozen=True, slots=True)
class Parquet:
    """Where a half of a set lies, where torchvision would have it, and what its columns are called."""

    file: str
    torchvision: str
    label: str
    group: str | None = None
    group_names: str | None = None

    def lies_in(self, folder: Path) -> bool:
        """Whether this file is there, and torchvision's are not."""
        return (folder / self.file).is_file() and not (folder / self.torchvision).exists()

    def read(self, path: Path, *, train: bool, most: int | None) -> PictureSet:
        table = _table(path)
        if self.label == "character":
            return _split_omniglot(_rows_of_drawings(table), train=train, most=most)
        table = table.take(spread(len(table), most))
        groups = None
        if self.group:
            names = json.loads(table.schema.metadata[str(self.group_names).encode()])
            groups = [str(names[number]) for number in table.column(self.group).to_pylist()]
        images = np.stack([_decoded(data) for data in _encoded(table)])
        return PictureSet(images, table.column(self.label).to_pylist(), groups)


_FINE_AND_COARSE = ("cifar-100-python", "fine_label", "coarse_label", "coarse_names")
_DRAWINGS = Parquet("omniglot/small.parquet", "omniglot-py", "character")
PARQUET = {
    ("CIFAR100", True): Parquet("cifar100/train.parquet", *_FINE_AND_COARSE),
    ("CIFAR100", False): Parquet("cifar100/test.parquet", *_FINE_AND_COARSE),
    ("CIFAR10", True): Parquet("cifar10/train-20k.parquet", "cifar-10-batches-py", "label"),
    ("Omniglot", True): _DRAWINGS,
    ("Omniglot", False): _DRAWINGS,
}
"""By name and half."""


def _table(path: Path) -> Any:
    import pyarrow.parquet  # half a second, for those who read such a set

    return pyarrow.parquet.read_table(path)


def _encoded(table: Any) -> list[bytes]:
    column = table.column("img").combine_chunks()
    found: list[bytes] = column.field("bytes").to_pylist()
    return found


def _decoded(data: bytes) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(data)))


@dataclass(frozen=True, slots=True)
class Drawing:
    """One of Omniglot's: character and alphabet by name, and the file's name, which says who drew it."""

    alphabet: str
    character: str
    file: str
    image: Image.Image


def _drawings(dataset: Any) -> list[Drawing]:
    """Those of torchvision's dataset that belong to our alphabets."""
    found = []
    for file, character in dataset._flat_character_images:
        whole = dataset._characters[character]
        alphabet = whole.split("/")[0]
        if alphabet in ALPHABETS:
            image = Image.open(Path(dataset.target_folder) / whole / file)
            found.append(Drawing(alphabet, whole, file, image))
    return found


def _rows_of_drawings(table: Any) -> list[Drawing]:
    characters = json.loads(table.schema.metadata[b"character_names"])
    files = table.column("img").combine_chunks().field("path").to_pylist()
    numbers = table.column("character").to_pylist()
    return [
        Drawing(characters[number].split("/")[0], characters[number], file, Image.open(io.BytesIO(data)))
        for number, file, data in zip(numbers, files, _encoded(table), strict=True)
    ]


def _split_omniglot(drawings: Sequence[Drawing], *, train: bool, most: int | None) -> PictureSet:
    """The drawings to learn from, or to test on: which is drawn once and for all, for each character."""
    by_character: dict[str, list[Drawing]] = {}
    for drawing in sorted(drawings, key=lambda each: (each.character, each.file)):
        by_character.setdefault(drawing.character, []).append(drawing)
    chosen: list[tuple[int, Drawing]] = []
    for number, found in enumerate(by_character.values()):
        order = np.random.default_rng([20, number]).permutation(len(found))
        part = order[DRAWINGS_TO_TEST:] if train else order[:DRAWINGS_TO_TEST]
        chosen += [(number, found[i]) for i in sorted(part)]
    chosen = [chosen[row] for row in spread(len(chosen), most)]
    images = np.stack([_light_on_dark(drawing.image) for _, drawing in chosen])
    return PictureSet(images, [number for number, _ in chosen], [each.alphabet for _, each in chosen])


def _light_on_dark(image: Image.Image) -> NDArray[np.uint8]:
    """The ink white on black, as MNIST has it, at 28 x 28 (each pixel the mean of what it covers)."""
    small = image.convert("L").resize((OMNIGLOT_SIDE, OMNIGLOT_SIDE), Image.Resampling.BOX)
    return 255 - np.asarray(small)
