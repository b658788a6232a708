"""The scale of vectors' columns that all partitions of a cluster share, so that their statistics add."""

from __future__ import annotations

import torch

from streamlearner.cluster.store import Store
from streamlearner.statistics.scale import Scale

FOLDER = "scale"


class StoredScale:
    """`scale/16/000001.json` has the rules of 16 columns as the first batch of all set them, `000002.json`
    those of columns that had none before, and so on: each is made once, by whoever is first. Nothing changes
    them afterwards."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[int, tuple[int, Scale]] = {}

    def newest(self, columns: int) -> Scale:
        read, scale = self._known.get(columns, (0, Scale.unknown(columns)))
        while (found := self._store.read(_name(columns, read + 1))) is not None:
            read += 1
            more, places = Scale.unknown(columns), torch.tensor(found["columns"], dtype=torch.int64)
            more.centre[places] = torch.tensor(found["centre"])
            more.unit[places] = torch.tensor(found["unit"])
            scale = scale.with_rules(more)
        self._known[columns] = read, scale
        return scale

    def propose(self, scale: Scale) -> bool:
        columns = len(scale.centre)
        read, former = self._known.get(columns, (0, Scale.unknown(columns)))
        changed = [~told.isnan() & (told != before) for told, before in zip(scale, former, strict=True)]
        places = (changed[0] | changed[1]).nonzero().flatten()
        rules = {"centre": scale.centre[places].tolist(), "unit": scale.unit[places].tolist()}
        return self._store.create(_name(columns, read + 1), {"columns": places.tolist(), **rules})


def _name(columns: int, number: int) -> str:
    return f"{FOLDER}/{columns}/{number:06d}.json"
