"""Values of a column that names classes or tasks, as headers say them."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from typing import Any

import pyarrow as pa

from streamlearner.errors import ConfigError

Headers = tuple[tuple[str, bytes], ...]

_PLAIN = (
    pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_boolean, pa.types.is_null,
    pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view, pa.types.is_temporal,
    pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view, pa.types.is_fixed_size_binary,
)  # fmt: skip


def check_names(kind: Any, *, column: str, topic: str) -> None:
    """Raises `ConfigError` for a column of another type than names a class or a task."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    inner = [field.type for field in kind] if pa.types.is_struct(kind) else [kind]
    if not all(any(is_one(each) for is_one in _PLAIN) for each in inner):
        raise ConfigError(
            f"{topic}: column {column!r} is {kind}; expected texts, integers, or a struct of such"
        )


def name_header(name: str, value: Any) -> Headers:
    """The header `name`, none where there is no value. A number with a fraction names nothing: it is in a
    header of another name, so that the codec rejects the row and the dead letter says why."""
    value = _plain(value)
    if value is None:
        return ()
    if isinstance(value, float | Decimal):
        return ((f"refused-{name}", str(value).encode()),)
    if isinstance(value, bytes):  # of writers that mark no text as such; the codec refuses what is none
        return ((name, value),)
    text = json.dumps(value, default=_in_json) if isinstance(value, dict) else str(value)
    return ((name, text.encode()),)


def _plain(value: Any) -> Any:
    """As records of other formats are read: 3.0 is 3, as integers with a gap come out of pandas, and its gap,
    NaN, is no value; true is `true`."""
    if isinstance(value, dict):  # a struct: factors, of which one that is null is not named
        found = {name: _plain(each) for name, each in value.items()}
        return {name: each for name, each in found.items() if each is not None}
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float | Decimal):
        if math.isnan(value):
            return None
        return int(value) if math.isfinite(value) and value == math.floor(value) else value
    return value


def _in_json(value: Any) -> Any:
    """Of a factor: what is no class stays what it is, and is refused."""
    if isinstance(value, Decimal):
        return float(value)
    return str(value, "utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
