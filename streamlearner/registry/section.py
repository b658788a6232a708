"""The base of every section of settings, and the kinds of values that settings have.

A setting is a field with a default; the text under it gives its unit and reason, and is what `config schema`
prints. A part of your own has a section, too: a class `Settings(Section)` inside its class.
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, GetJsonSchemaHandler, WithJsonSchema
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

UNITS = {"": 1, "bit": 1, "bits": 1, "kbit": 1_000, "Mbit": 10**6, "Gbit": 10**9}
"""Bits in each unit of an amount. `b` and `Kb` are none: some read bits there, others bytes."""
UNITS |= {"B": 8, "kB": 8_000, "KB": 8_000, "MB": 8 * 10**6, "GB": 8 * 10**9}
UNITS |= {"KiB": 8 * 2**10, "MiB": 8 * 2**20, "GiB": 8 * 2**30}


class Section(BaseModel):
    """A section of the configuration. Unknown keys are errors, and true is no number."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, validate_default=True)

    def usable(self) -> None:
        """Raises ValueError, in the words "expected ...", where the part of these settings is chosen and they
        cannot be used together."""

    @classmethod
    def descriptions(cls) -> dict[str, str]:
        """What each setting is described as, its own `Field(description=...)` before the text under it. Read
        from the source when it is asked for: `use_attribute_docstrings` does so at every start, for 0.1 s."""
        texts: dict[str, str] = {}
        for each in reversed(cls.__mro__):
            texts |= texts_under_fields(each) if issubclass(each, Section) else {}
        texts |= {name: field.description for name, field in cls.model_fields.items() if field.description}
        return {name: texts[name] for name in cls.model_fields if name in texts}

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        made = handler(schema)
        properties = handler.resolve_ref_schema(made)["properties"]
        for name, text in cls.descriptions().items():
            properties[name]["description"] = text
        return made


def texts_under_fields(kind: type) -> dict[str, str]:
    """The texts under the annotated names of a class, by name; none where there is no source."""
    try:
        parsed = ast.parse(textwrap.dedent(inspect.getsource(kind)))
    except (OSError, TypeError, SyntaxError):
        return {}
    body = parsed.body[0].body if isinstance(parsed.body[0], ast.ClassDef) else []
    return {
        field.target.id: inspect.cleandoc(text.value.value)
        for field, text in pairwise(body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }


def parse_bits(value: Any) -> Any:
    """`62720`, `62720 bits`, `64 KiB`, `1.5 MB` to bits; what is no text stays. Raises ValueError."""
    if not isinstance(value, str):
        return value
    match = re.fullmatch(r"\s*([0-9][0-9_]*(?:\.[0-9]+)?)\s*([A-Za-z]*)\s*", value)
    if not match or match[2] not in UNITS:
        raise ValueError(f"an amount of bits such as 64 KiB (units: {', '.join(filter(None, UNITS))})")
    bits = float(match[1]) * UNITS[match[2]]
    if bits != int(bits):
        raise ValueError("a whole number of bits")
    return int(bits)


def parse_bytes(value: Any) -> Any:
    """`2 GiB` to bytes; a number is one of bytes. Raises ValueError."""
    if not isinstance(value, str) or value.strip().isdigit():
        return int(value) if isinstance(value, str) else value
    try:
        found, rest = divmod(parse_bits(value), 8)
    except ValueError:
        raise ValueError("an amount of memory such as 2 GiB") from None
    if rest:
        raise ValueError("a whole number of bytes")
    return found


class OptionError(ValueError):
    """Of one option in a map of them: the place that set this one is to blame."""

    def __init__(self, option: str, text: str) -> None:
        super().__init__(text)
        self.option = option


def read_secret(value: Any) -> Any:
    """The text of the file in `{file: path}`, less its newline; anything else stays. Raises ValueError."""
    if not (isinstance(value, dict) and set(value) == {"file"}):
        return value
    try:
        return Path(str(value["file"])).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise ValueError(f"a secret in a readable file; {value['file']}: {reason}") from None


def _path(value: Any) -> Any:
    return Path(value).expanduser() if isinstance(value, str) and value else value


def _place(value: Any) -> Any:
    return value if isinstance(value, str) and ("://" in value or not value) else str(_path(value))


def listed(value: Any) -> Any:
    """One text is a list of one."""
    return [value] if isinstance(value, str | Path) else value


Count = Annotated[int, Field(ge=1)]
Workers = Annotated[int, Field(ge=1, le=1_024)]
"""Threads or processes that run at once: of more, no system gives as many, and a runtime that cannot start
one ends the process."""
Seconds = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Bits = Annotated[
    int,
    Field(ge=0),
    BeforeValidator(parse_bits),
    WithJsonSchema({"type": ["integer", "string"], "minimum": 0, "examples": ["64 KiB", 524288]}),
]
Bytes = Annotated[
    int,
    Field(ge=0),
    BeforeValidator(parse_bytes),
    WithJsonSchema({"type": ["integer", "string"], "minimum": 0, "examples": ["2 GiB", 2147483648]}),
]
Folder = Annotated[Path, BeforeValidator(_path)]
Place = Annotated[str, Field(min_length=1), BeforeValidator(_place)]
"""A folder, or a URL of one."""
Files = Annotated[list[Folder], BeforeValidator(listed)]
Secret = Annotated[
    str,
    Field(min_length=1),
    BeforeValidator(read_secret),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "object", "required": ["file"]}]}),
]
