"""Every setting: key, type, default and reason, from the JSON schema of the configuration."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from streamlearner.config.loading import Config
from tests.support.reference.markdown import code, table

Schema = dict[str, Any]
HEADINGS = ("setting", "type", "default", "what it does")


def page() -> str:
    """A heading and a table for each section, in the order of the file."""
    schema = Config.model_json_schema()
    top = [(name, field) for name, field in schema["properties"].items() if "$ref" not in field]
    parts = ["## Top level\n", rows(top, prefix="")]
    for name, field in schema["properties"].items():
        if "$ref" in field:
            parts += section(name, resolved(schema, field), schema)
    return "\n".join(parts) + "\n"


def section(key: str, found: Schema, schema: Schema) -> Iterator[str]:
    """The section, then the sections inside it."""
    settings = [(name, field) for name, field in found["properties"].items() if "$ref" not in field]
    yield f"\n## `{key}`\n"
    if found.get("description"):
        yield f"{found['description']}\n"
    if settings:
        yield rows(settings, prefix=f"{key}.")
    for name, field in found["properties"].items():
        if "$ref" in field:
            yield from section(f"{key}.{name}", resolved(schema, field), schema)


def rows(settings: list[tuple[str, Schema]], *, prefix: str) -> str:
    return table(
        HEADINGS,
        [
            (
                code(prefix + name),
                kind(field),
                code(json.dumps(field.get("default", {}))),
                field["description"],
            )
            for name, field in settings
        ],
    )


def resolved(schema: Schema, field: Schema) -> Schema:
    """The definition behind a `$ref`."""
    found: Schema = schema["$defs"][field["$ref"].rpartition("/")[2]]
    return found


def kind(field: Schema) -> str:
    """What may stand there: a type with its limits, or the words to choose from; null where it may be left
    out."""
    choices = [inner for inner in field.get("anyOf", [field]) if inner.get("type") != "null"]
    nullable = len(choices) < len(field.get("anyOf", [field]))
    kinds = dict.fromkeys(each for choice in choices for each in one_kind(choice))
    return " or ".join([*kinds, *["null"] * nullable])


def one_kind(choice: Schema) -> list[str]:
    if "enum" in choice or "const" in choice:
        return [", ".join(code(value) for value in choice.get("enum", [choice.get("const")]))]
    if "type" not in choice:  # a pattern beside words to choose from
        return ["string"]
    types = choice["type"] if isinstance(choice["type"], list) else [choice["type"]]
    return [f"{each}{limits(choice) if each in ('integer', 'number') else ''}" for each in types]


def limits(choice: Schema) -> str:
    words = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    found = [f" {sign} {choice[name]:g}" for name, sign in words.items() if name in choice]
    return ",".join(found)
