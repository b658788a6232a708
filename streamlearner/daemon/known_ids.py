"""Ids that are known again, by digests of 8 bytes: of the last examples, and of those that were erased."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor

from streamlearner.decoding.erasures import digest_of


class KnownIds:
    """Digests of the last `window` ids, oldest first."""

    def __init__(self, *, window: int) -> None:
        self.window = window
        self._ids: OrderedDict[int, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._ids)

    def __contains__(self, example_id: str) -> bool:
        return bool(self._ids) and digest_of(example_id) in self._ids

    def state(self) -> Tensor:
        """[n] int64, oldest first."""
        return torch.tensor(list(self._ids), dtype=torch.int64)

    def restore(self, ids: Tensor) -> None:
        self._ids = OrderedDict.fromkeys(ids.tolist()[-self.window :] if self.window else [])


class RememberedIds(KnownIds):
    """Of the last examples, so that one sent twice is learned once."""

    def admit(self, example_id: str) -> bool:
        """True for a new id, which is then remembered; False for one that is remembered."""
        if not self.window:
            return True
        key = digest_of(example_id)
        if key in self._ids:
            return False
        self._ids[key] = None
        if len(self._ids) > self.window:
            self._ids.popitem(last=False)
        return True

    def drop(self, example_id: str) -> bool:
        """Whether it was remembered; it is no more."""
        return self._ids.pop(digest_of(example_id), self) is None


class ErasedIds(KnownIds):
    """Of erased examples, so that one sent again is not learned again. `forgotten` counts those that made
    room for others: they would be."""

    def __init__(self, *, window: int) -> None:
        super().__init__(window=window)
        self.forgotten = 0

    def add(self, example_id: str) -> None:
        """It is the newest from now on."""
        key = digest_of(example_id)
        self._ids[key] = None
        self._ids.move_to_end(key)
        if len(self._ids) > self.window:
            self._ids.popitem(last=False)
            self.forgotten += 1
