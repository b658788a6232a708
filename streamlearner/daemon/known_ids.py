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
    """Of the last examples, so that one sent twice is learned once; each with what was the newest model
    `version` then: only later ones can have seen it."""

    def __init__(self, *, window: int) -> None:
        super().__init__(window=window)
        self.version = 0
        self._versions: dict[int, int] = {}  # 0 where there is none

    def admit(self, example_id: str) -> bool:
        """True for a new id, which is then remembered; False for one that is remembered."""
        if not self.window:
            return True
        key = digest_of(example_id)
        if key in self._ids:
            return False
        self._ids[key] = None
        if self.version:
            self._versions[key] = self.version
        if len(self._ids) > self.window:
            self._versions.pop(self._ids.popitem(last=False)[0], None)
        return True

    def drop(self, example_id: str) -> int | None:
        """The newest version when it came; None where it is not remembered. It is no more."""
        key = digest_of(example_id)
        version = self._versions.pop(key, 0)
        return version if self._ids.pop(key, self) is None else None

    def versions(self) -> Tensor:
        """[n] int32, in the order of `state`; empty where there was none yet."""
        held = [self._versions.get(key, 0) for key in self._ids] if self._versions else []
        return torch.tensor(held, dtype=torch.int32)

    def restore_versions(self, versions: Tensor) -> None:
        """Those saved with the ids that were restored."""
        known = versions.tolist()[len(versions) - len(self._ids) :]
        self._versions = {key: held for key, held in zip(self._ids, known, strict=True) if held}


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
