"""Where the documents of the history name classes, and how one is taken from them."""

from __future__ import annotations

from typing import Any

BY_CLASS = ("by_class", "losses")
"""What is said of each class stands under these keys; of one class, its name under `label`."""


def without_class(value: Any, name: str) -> Any:
    """The document without this key of what is `BY_CLASS`, and without this `label`. (A class may be called
    as any other key.)"""
    if not isinstance(value, dict):
        return value
    return {
        key: {one: of_it for one, of_it in each.items() if one != name}
        if key in BY_CLASS and isinstance(each, dict)
        else without_class(each, name)
        for key, each in value.items()
        if not (key == "label" and each == name)
    }
