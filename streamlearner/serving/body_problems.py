"""What is wrong with a request body, in the words of who sent it."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from streamlearner.decoding.labels import shown
from streamlearner.serving.problems import nearest

_TYPES = {
    "string_type": "a string", "int_type": "an integer", "bool_type": "true or false", "list_type": "a list",
    "dict_type": "an object",
}  # fmt: skip
"""What pydantic calls a value of another type than this."""


_BRANCHES = ("str", "int")
"""How pydantic ends the place of a value of several types, with an error for each of them."""


def described(kind: type[BaseModel], error: ErrorDetails, errors: Sequence[ErrorDetails]) -> str:
    """What is wrong with a body that is no `kind`, by one of its errors."""
    place = ".".join(str(part) for part in error["loc"])[:100]
    if error["type"] == "extra_forbidden":
        valid = [field.alias or name for name, field in kind.model_fields.items()]
        return f'unknown key "{place}"; expected {keys_of(kind)}{nearest(place, valid)}'
    if error["type"] == "missing":
        return f'"{place}" is missing; expected {keys_of(kind)}'
    alike = [error]
    if error["loc"][-1] in _BRANCHES:
        place = place.rpartition(".")[0]
        alike = [one for one in errors if one["loc"][:-1] == error["loc"][:-1]]
    if all(one["type"] in _TYPES for one in alike):
        expected = " or ".join(_TYPES[one["type"]] for one in alike)
        return f"{place} is {shown(error['input'])}; expected {expected}"
    return f"{place}: {error['msg']}"


def keys_of(kind: type[BaseModel]) -> str:
    """The keys of such a body, those that may be left out with a question mark."""
    names = [
        f"{field.alias or name}{'' if field.is_required() else '?'}"
        for name, field in kind.model_fields.items()
    ]
    return ", ".join(names) if names else "no keys"
