"""What an eye makes of a data set, kept as Parquet in the user's cache folder: it takes minutes to hours."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from streamlearner.bench.kit.fixture import Dataset, Fixture, Settings

Floats = NDArray[np.float32]

PART = 1_000
"""Images in a file, which is written whole: an interrupted run goes on with the next."""


def cache_folder() -> Path:
    """`$XDG_CACHE_HOME/streamlearner`, else `~/.cache/streamlearner`: outside the repository."""
    named = os.environ.get("XDG_CACHE_HOME")
    return (Path(named) if named else Path.home() / ".cache") / "streamlearner"


def seen(fixture: Fixture, eye: Settings, *, data: str, train: bool, most: int | None) -> Dataset:
    """The training or test half of a data set, with features [n, d] float32 in place of its images."""
    dataset = fixture.load_dataset(data, train, most)
    network = fixture.build_eye(eye)
    eyes = f"{network.digest[:16]}{'-bf16' if network.half_precision else ''}"  # rounds otherwise
    folder = cache_folder() / "eyes" / eyes / f"{data}-{'train' if train else 'test'}"
    name = "part" if most is None else f"first-{most}"
    parts = [
        _part(folder / f"{name}-{start:06d}.parquet", network, images) for start, images in _parts(dataset)
    ]
    return Dataset(np.concatenate(parts), dataset.labels, dataset.tasks)


def _parts(dataset: Dataset) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    for start in range(0, len(dataset.labels), PART):
        yield start, dataset.images[start : start + PART]


def _part(path: Path, network: Any, images: NDArray[np.uint8]) -> Floats:
    if not path.exists():
        shown = images[:, None] if images.ndim == 3 else images.transpose(0, 3, 1, 2)
        _write(path, network.see(torch.from_numpy(np.ascontiguousarray(shown))).numpy())
    return _read(path)


def _write(path: Path, features: Floats) -> None:
    import pyarrow as pa  # half a second, for who reads or writes such a file
    import pyarrow.parquet as pq

    path.parent.mkdir(parents=True, exist_ok=True)
    flat = pa.array(features.astype(np.float16).reshape(-1))
    column = pa.FixedSizeListArray.from_arrays(flat, features.shape[1])
    aside = path.with_suffix(f".{os.getpid()}.tmp")
    pq.write_table(pa.table({"features": column}), aside)
    os.replace(aside, path)


def _read(path: Path) -> Floats:
    import pyarrow.parquet as pq

    column = pq.read_table(path)["features"].combine_chunks()
    values: Floats = column.flatten().to_numpy(zero_copy_only=False).astype(np.float32)
    return values.reshape(len(column), -1)
