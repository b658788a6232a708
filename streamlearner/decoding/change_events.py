"""Rows of a database as change events: what Kafka Connect and Debezium wrap around a record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from streamlearner.decoding.labels import shown
from streamlearner.errors import InvalidInput

Envelope: TypeAlias = Literal["none", "connect", "debezium"]
Kind: TypeAlias = Literal["row", "correction", "deletion", "other"]

_KINDS: Final[dict[object, Kind]] = {
    "c": "row", "r": "row", "u": "correction", "d": "deletion", "t": "other", "m": "other",
}  # fmt: skip
"""By `op`: created, read in a snapshot, updated, deleted; a truncated table and a message of the database
name no row."""
Row: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Change:
    """What became of a row: `after` as it is, `before` as it was, as far as the database tells; {} where
    there is none."""

    kind: Kind
    before: Row
    after: Row


def without_schema(record: object) -> object:
    """The payload of a record of Kafka Connect with its schema in it; any other record as it is."""
    if isinstance(record, Mapping) and record.keys() == {"schema", "payload"}:
        return record["payload"]
    return record


def open_change(record: object) -> Change:
    """The change that a record of Debezium tells. Raises `InvalidInput`."""
    event = without_schema(record)
    if not isinstance(event, Mapping):
        raise InvalidInput("envelope", f"record is {shown(event)}; expected a change event of Debezium")
    kind = _KINDS.get(event.get("op")) if isinstance(event.get("op"), str) else None
    if kind is None:
        found = f"op of the change event is {shown(event.get('op'))}"
        raise InvalidInput("envelope", f"{found}; expected one of {', '.join(map(str, _KINDS))}")
    needed = {"row": "after", "correction": "after", "deletion": "before"}.get(kind)
    if needed is not None and not isinstance(event.get(needed), Mapping):
        found = f"{needed} of the change event is {shown(event.get(needed))}"
        raise InvalidInput("envelope", f"{found}; expected a row")
    return Change(kind, _row(event.get("before")), _row(event.get("after")))


def _row(found: object) -> Row:
    return found if isinstance(found, Mapping) else {}
