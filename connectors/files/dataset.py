"""A dataset that somebody else loaded (torchvision or any sequence of pairs), as a source."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from streamlearner.connectors.files.indexed import IndexedSource, check_order, digest_of, shuffled
from streamlearner.stream import Message

_PROBES = 64  # examples whose content goes into the digest: 64 of MNIST take 2 ms to read


class Dataset(Protocol):
    """A finite sequence of (image, label): a PIL image or array [H, W], [H, W, C] or [d]; an int, a
    str, or a mapping of factors to such."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> tuple[Any, Any]: ...


class DatasetSource(IndexedSource):
    """Each pair becomes one message of raw bytes with headers content-type, shape, dtype and label.

    Order "stored", "label" (stable within a label) or "shuffled" with `seed`. Sorting by label reads the
    dataset's `targets` (or `labels`) where it has as many as examples, and decodes every example only where
    it has none. The digest covers name, length, order and the content of 64 examples spread over the whole.
    """

    def __init__(
        self,
        dataset: Dataset,
        *,
        name: str,
        order: str = "stored",
        seed: int = 0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        super().__init__(name=name, sleep=sleep)
        self._dataset = dataset
        self._order = check_order(order, ("stored", "label", "shuffled"), name=name)
        self._seed = seed
        self._indices: NDArray[np.int64] = np.empty(0, dtype=np.int64)

    def _load(self) -> tuple[int, str]:
        count = len(self._dataset)
        self._indices = self._arrange(count)
        parts = [self.name.encode(), self._indices.tobytes()]
        for probe in np.linspace(0, count - 1, min(count, _PROBES), dtype=np.int64):
            array, label = self._example(int(probe))
            parts += [array.tobytes(), label]
        return count, digest_of(parts)

    def _arrange(self, count: int) -> NDArray[np.int64]:
        if self._order == "shuffled":
            return shuffled(count, seed=self._seed)
        if self._order == "label":
            return np.argsort(self._labels(count), kind="stable").astype(np.int64)
        return np.arange(count, dtype=np.int64)

    def _labels(self, count: int) -> NDArray[Any]:
        for attribute in ("targets", "labels"):
            labels = getattr(self._dataset, attribute, None)
            if labels is not None and len(labels) == count:
                return np.asarray(labels)
        return np.asarray([self._dataset[index][1] for index in range(count)])

    def _read(self, start: int, stop: int) -> list[Message]:
        return [self._message(offset) for offset in range(start, stop)]

    def _message(self, offset: int) -> Message:
        array, label = self._example(int(self._indices[offset]))
        return Message(
            value=array.tobytes(),
            topic=self.name,
            partition=0,
            offset=offset,
            headers=(
                ("content-type", b"application/octet-stream"),
                ("shape", ",".join(map(str, array.shape)).encode()),
                ("dtype", array.dtype.name.encode()),
                ("label", label),
            ),
        )

    def _example(self, index: int) -> tuple[NDArray[Any], bytes]:
        image, label = self._dataset[index]
        mode = getattr(image, "mode", None)
        if mode is not None and mode not in ("L", "RGB"):
            image = image.convert("L" if mode in ("1", "I", "F", "LA") else "RGB")
        array = np.ascontiguousarray(image)
        if array.ndim == 2:
            array = array[:, :, np.newaxis]
        if hasattr(label, "item"):  # a NumPy or torch scalar
            label = label.item()
        text = json.dumps(label) if isinstance(label, Mapping) else str(label)
        return array.astype(array.dtype.newbyteorder("<"), copy=False), text.encode()
