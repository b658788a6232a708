"""Where the documents of the history name classes, and how some are taken from them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

BY_CLASS = ("by_class", "losses")
"""What is said of each class stands under these keys; of one class, its name under `label`."""


def without_classes(value: Any, names: Collection[str]) -> Any:
    """The document without these keys of what is `BY_CLASS`, and without these as `label`. (A class may be
    called as any other key.)"""
    if not isinstance(value, dict):
        return value
    return {
        key: {one: of_it for one, of_it in each.items() if one not in names}
        if key in BY_CLASS and isinstance(each, dict)
        else without_classes(each, names)
        for key, each in value.items()
        if not (key == "label" and isinstance(each, str) and each in names)
    }
