"""How the dictionaries of an answer are declared, so that OpenAPI has an example of each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import ConfigDict, with_config

Share = float | None
"""From 0 to 1; null while unknown."""
Label = str | int | dict[str, str | int]
Model = TypeVar("Model")


def shown(example: dict[str, Any]) -> Callable[[type[Model]], type[Model]]:
    """A dictionary of an answer, and what one may look like."""
    return with_config(ConfigDict(extra="allow", json_schema_extra={"examples": [example]}))


def examples_of(model: Any) -> list[dict[str, Any]]:
    """Those that it was declared with."""
    return list(model.__pydantic_config__["json_schema_extra"]["examples"])
