"""From a record, as other programs read it, to the map that an example is: which field is what."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, time
from decimal import Decimal
from reprlib import repr as short_repr
from typing import Any
from uuid import UUID

from streamlearner.decoding.image_signatures import SIGNATURES
from streamlearner.decoding.inputs import bytes_of
from streamlearner.decoding.labels import shown
from streamlearner.errors import InvalidInput

_MISSING = object()


@dataclass(frozen=True, slots=True)
class Fields:
    """Names of fields: `class`, `after.class` for one of a record in it, `boxes.0` for one of a list. Of
    `input` several make a feature vector. None, or an empty `input`, is the field of that very name.
    `shape` and `dtype` are those of raw bytes, where the record has no fields of these names."""

    input: tuple[str, ...] = ()
    label: str | None = None
    task: str | None = None
    id: str | None = None
    shape: tuple[int, ...] = ()
    dtype: str | None = None

    def example(self, record: Mapping[str, Any], *, reason: str) -> dict[str, Any]:
        """`{"input", "label", "task", "id"}`, None where the record has none. Raises `InvalidInput(reason)`
        where it has no input."""
        return {
            "input": self._input(record, reason),
            "label": _plain(_found(record, self.label or "label")),
            "task": _plain(_found(record, self.task or "task")),
            "id": self.identity(record),
        }

    def identity(self, record: Mapping[str, Any]) -> Any:
        """By which the example of a record is known again; None where the record does not say."""
        return _plain(_found(record, self.id or "id"))

    def unlabels(self, before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
        """Whether a row that was changed lost its label. `before`, as far as it is known: a row that is known
        to have had none lost none."""
        path = self.label or "label"
        former, now = _found(before, path), _found(after, path)
        return (
            now is not _MISSING and _plain(now) is None and (former is _MISSING or _plain(former) is not None)
        )

    def _input(self, record: Mapping[str, Any], reason: str) -> Any:
        paths = self.input or ("input",)
        values = [_found(record, path) for path in paths]
        if absent := [path for path, value in zip(paths, values, strict=True) if value is _MISSING]:
            found = f"a record of {short_repr(list(record))} has no field {', '.join(absent)}"
            raise InvalidInput(reason, f"{found}; expected the input there (codec.fields.input)")
        if len(values) > 1 or values == [None]:
            return _features(values, paths)
        value = values[0]
        if isinstance(value, str):
            value = bytes_of(value, name=paths[0])
        if isinstance(value, bytes):
            return self._of_bytes(value, record)
        if isinstance(value, Mapping) or (isinstance(value, list) and value and isinstance(value[0], list)):
            return value
        return _features(values, paths)

    def _of_bytes(self, value: bytes, record: Mapping[str, Any]) -> dict[str, Any]:
        if value.startswith(SIGNATURES):
            return {"image": value}
        shape = record.get("shape", list(self.shape) or None)
        return {"data": value, "shape": shape, "dtype": record.get("dtype", self.dtype)}


def _found(record: Mapping[str, Any], path: str) -> Any:
    """`_MISSING` where there is no such field."""
    if path in record:
        return record[path]
    value: Any = record
    for name in path.split("."):
        if isinstance(value, Mapping):
            value = value.get(name, _MISSING)
        elif isinstance(value, Sequence) and name.isdecimal() and int(name) < len(value):
            value = value[int(name)]
        else:
            return _MISSING
    return value


def _features(values: Sequence[Any], paths: Sequence[str]) -> list[float | int | None]:
    """One row of numbers: those of a list in place, true as 1. Whether null may be is for `inputs` to say."""
    row: list[float | int | None] = []
    for value, path in zip(values, paths, strict=True):
        for number in value if isinstance(value, list | tuple) else [value]:
            if isinstance(number, Decimal | bool):
                row.append(float(number))
            elif number is None or isinstance(number, int | float):
                row.append(number)
            else:
                raise InvalidInput("value", f"field {path!r} holds {shown(number)}; expected numbers")
    return row


def _plain(value: Any) -> Any:
    """What names a class, a task or an example, as `labels` reads it: true is "true", 3.0 is 3, a UUID or a
    point in time its text; None where nothing is named."""
    if value is _MISSING:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float | Decimal) and math.isfinite(value) and value == math.floor(value):
        return int(value)  # not by `% 1`, which Decimal refuses beyond 28 digits
    if isinstance(value, UUID | date | time):
        return str(value)
    if isinstance(value, Mapping):  # factors, of which one that is null is not named
        return {name: named for name, each in value.items() if (named := _plain(each)) is not None} or None
    return value
