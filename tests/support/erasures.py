"""For tests of erasure: messages that erase, and who still holds an example of an id."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from streamlearner.decoding.erasures import digest_of
from streamlearner.memory.fields import ID, id_field
from streamlearner.memory.records import Records
from streamlearner.stream import Message


def erasure(number: int, *, by: str, name: str) -> Message:
    headers = (("erase", by.encode()), (by, name.encode()))
    return Message(None, "memory", 0, number, headers=headers)


def ids_in(tensors: Mapping[str, Mapping[str, Tensor]]) -> set[int]:
    """Of the records of a checkpoint, as they are kept; and of its exam, times -1."""
    found: set[int] = set()
    for file in ("method", "consolidation"):
        part = tensors.get(file, {})
        if "memory.counters" in part:
            found |= set(_records(part).field(ID).tolist())
    facts = tensors["exam"]["facts"]
    return found | ({-id for id in facts[:, 3].tolist()} if facts.shape[1] > 3 else set())


def _records(part: Mapping[str, Tensor]) -> Records:
    _, held, *widths = part["memory.counters"].tolist()
    state = {name: part[f"memory.{name}"] for name in ("records", "radices")}
    bits = part["memory.records"].numel() * 8
    return Records.restored(state, budget_bits=bits, held=held, field_bits=widths)


def holds(tensors: Mapping[str, Mapping[str, Tensor]], id: str) -> bool:
    """Whether an example of this id is in the memory, the exam or the consolidation of a checkpoint."""
    digest = digest_of(id)
    return bool(ids_in(tensors) & {id_field(digest, 16), -(digest & 0x7FFF_FFFF)})
