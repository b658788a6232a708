"""Which learner is to read which partitions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from streamlearner.cluster.layout import ASSIGNMENT
from streamlearner.cluster.store import Store

Assignment = dict[str, list[int]]


def assigned(partitions: int, learners: Sequence[str], former: Mapping[str, Sequence[int]]) -> Assignment:
    """All partitions, as equally many to each learner as can be; of those that learners have had, as few as
    possible move."""
    least, more = divmod(partitions, len(learners))
    found: Assignment = {}
    kept: set[int] = set()
    by_size = sorted(learners, key=lambda name: -len(former.get(name, ())))
    for rank, name in enumerate(by_size):
        room = least + (rank < more)
        own = [number for number in former.get(name, ()) if number < partitions and number not in kept]
        found[name] = sorted(own[:room])
        kept.update(found[name])
    free = [number for number in range(partitions) if number not in kept]
    for rank, name in enumerate(by_size):
        room = least + (rank < more)
        while len(found[name]) < room:
            found[name].append(free.pop(0))
    return {name: sorted(found[name]) for name in learners}


def read_assignment(store: Store) -> Assignment:
    """The one that holds; nobody has any partition before the first."""
    found = store.read(ASSIGNMENT) or {}
    return {name: [int(number) for number in own] for name, own in found.items()}
