"""Who holds what: a partition, or the consolidator's lease."""

from __future__ import annotations

from dataclasses import dataclass

from streamlearner.cluster.store import Store


@dataclass(frozen=True, slots=True)
class Claim:
    """`holder` holds it in this epoch, unless it has given it up."""

    epoch: int
    holder: str
    released: bool


class Claims:
    """The claims of one thing, in a folder of the store: `000007.json` is that of epoch 7,
    `000007-released.json` says that its holder gave it up.

    A claim is made once for each epoch, so two who try for the same epoch are told apart by the store. Who
    was frozen meanwhile still believes in an older one: it writes to what belongs to that epoch alone, and
    nobody reads that any more.
    """

    def __init__(self, store: Store, folder: str) -> None:
        self.store, self.folder = store, folder

    def newest(self) -> Claim | None:
        """None before the first."""
        epochs = [int(name[:6]) for name in self.store.names(self.folder) if name[:6].isdigit()]
        if not epochs:
            return None
        epoch = max(epochs)
        found = self.store.read(self._name(epoch)) or {}
        released = self.store.read(self._name(epoch, "-released")) is not None
        return Claim(epoch, str(found.get("holder", "")), released)

    def claim(self, holder: str, *, after: int) -> int | None:
        """The epoch after `after` for this holder; None where another was faster."""
        return after + 1 if self.store.create(self._name(after + 1), {"holder": holder}) else None

    def next(self, holder: str) -> int:
        """The next epoch, whoever had the last."""
        while True:
            newest = self.newest()
            epoch = self.claim(holder, after=newest.epoch if newest else 0)
            if epoch is not None:
                return epoch

    def release(self, epoch: int) -> None:
        """Its holder has saved all and writes no more. Safe to call twice."""
        self.store.create(self._name(epoch, "-released"), {})

    def holds(self, epoch: int) -> bool:
        """Whether this epoch is still the newest."""
        newest = self.newest()
        return newest is not None and newest.epoch == epoch

    def _name(self, epoch: int, suffix: str = "") -> str:
        return f"{self.folder}/{epoch:06d}{suffix}.json"
