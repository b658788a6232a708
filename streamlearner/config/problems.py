"""What is wrong with a configuration, in words: what was found, where, what was expected, how to mend it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from streamlearner.config.entries import ENV_PREFIX, FoundSetting
from streamlearner.config.part_names import OWN, PartName
from streamlearner.errors import ConfigError
from streamlearner.registry.section import Section

SECRET = re.compile(
    r"password|passwd|secret|(?<!make_)token(?!_files)|credential|jaas|private|api_?key", re.IGNORECASE
)
MASK = "********"
SHOWN_CHARACTERS = 60
_TYPES = {
    bool: "true or false", int: "a whole number", float: "a number", str: "text", dict: "a map of options",
    list: "a list",
}  # fmt: skip


def setting(root: type[Section], keys: tuple[str, ...]) -> type[Section] | FieldInfo | None:
    """The section or field at `keys`; inside a map of options, the map's field. None: there is none."""
    here: type[Section] | FieldInfo = root
    for key in keys:
        if isinstance(here, FieldInfo):
            in_list = list in _origins(here) and key.isdigit()
            holds_more = in_list or dict in _origins(here) or (key == "file" and is_secret(keys[-2]))
            return here if holds_more else None
        field = here.model_fields.get(key)
        if field is None:
            return None
        inner = field.annotation
        here = inner if isinstance(inner, type) and issubclass(inner, Section) else field
    return here


def settings(root: type[Section], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Every setting with its key, in the order of the sections."""
    for name, field in root.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            yield from settings(field.annotation, f"{prefix}{name}.")
        else:
            yield prefix + name, field


def unknown(root: type[Section], entry: FoundSetting) -> str:
    """A key that does not exist, with the nearest one, spelled as the user spells."""
    known = [key for key, _ in settings(root)]
    nearest = difflib.get_close_matches(entry.key, known, n=1, cutoff=0.0)[0]
    if entry.where.startswith("environment "):
        names = {ENV_PREFIX + key.upper().replace(".", "__"): key for key in known}
        found = entry.where.removeprefix("environment ")
        nearest = difflib.get_close_matches(found, list(names), n=1, cutoff=0.0)[0]
    return f"{_place(entry)}: no such setting; did you mean {nearest}?"


def misplaced(entry: FoundSetting) -> str:
    """A value where a section stands."""
    return f"{_place(entry)}: expected a section with settings, found {shown(entry.value)}"


def unusable(entry: FoundSetting, error: ConfigError) -> str:
    """A value that names what is there and cannot be used."""
    return f"{_place(entry)}: {error}"


def empty(entry: FoundSetting) -> str:
    return f"{_place(entry)}: is empty; leave it unset, or write null where the setting allows it"


def explain(root: type[Section], error: ErrorDetails, entries: Mapping[tuple[str, ...], FoundSetting]) -> str:
    """A value of the wrong type or outside its range."""
    keys = tuple(str(part) for part in error["loc"] if not str(part).startswith("function-"))
    if setting(root, keys) is None and isinstance(setting(root, keys[:-1]), FieldInfo):
        keys = keys[:-1]  # one of several types, each of which says what the value is not
    field = setting(root, keys)
    entry = _blamed(keys, error, entries)
    place = _place(entry) if entry else ".".join(keys)
    if error["type"] == "value_error":
        expected = str(error["ctx"]["error"])
    elif isinstance(field, FieldInfo):
        in_list = list in _origins(field) and keys[-1].isdigit()
        kinds = "whole numbers" if "int" in str(field.annotation) else "texts"
        of = f" of {error.get('ctx', {}).get('expected', kinds)}" if in_list else ""
        expected = expectation(field) + of
    else:
        expected = error["msg"]
    if not isinstance(field, FieldInfo):
        return f"{place}: expected {expected}"
    return f"{place}: expected {expected}{_found(keys, error['input'])}{_hint(field, error['input'])}"


def _blamed(
    keys: tuple[str, ...], error: ErrorDetails, entries: Mapping[tuple[str, ...], FoundSetting]
) -> FoundSetting | None:
    """The entry that had the last word there; of one option in a map, that of this option."""
    option = getattr(error.get("ctx", {}).get("error"), "option", None)
    places = [(*keys, option)] if option else []
    places += [keys[:n] for n in range(len(keys), 0, -1)]
    for place in places[:2] if option else places[:1]:
        if within := [entry for at, entry in entries.items() if at[: len(place)] == place]:
            return within[-1]
    return next((entries[place] for place in places if place in entries), None)


def expectation(field: FieldInfo) -> str:
    """`a whole number of at least 1, or null`."""
    if part_name := _part_name(field):
        return part_name.expectation()
    words = " or ".join(
        dict.fromkeys(_word(origin) for origin in _origins(field) if origin is not type(None))
    )
    limits = [_limit(rule) for rule in _rules(field)]
    null = ", or null" if type(None) in _origins(field) else ""
    return f"{words}{' '.join(['', *filter(None, limits)])}{null}"


def shown(value: Any) -> str:
    """A value for a person: its kind and, where short, itself."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict | list):
        return f"a {'map' if isinstance(value, dict) else 'list'} of {len(value)}"
    text = repr(value)
    text = text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + "..."
    return f"the text {text}" if isinstance(value, str) else text


def masked(value: Any, key: str = "") -> Any:
    """`value` with every text that may be a secret replaced; `{file: path}` stays, as it tells nothing."""
    if isinstance(value, dict):
        is_file = set(value) == {"file"}
        return {name: inner if is_file else masked(inner, name) for name, inner in value.items()}
    if isinstance(value, list):
        return [masked(inner, key) for inner in value]
    return MASK if value is not None and is_secret(key) else value


def is_secret(key: str) -> bool:
    """Whether a setting's name says that its value is not to be shown."""
    return SECRET.search(key) is not None


def takes_text(field: FieldInfo) -> bool:
    """Whether a text is a value as it is, whatever it looks like: topic 2024 is no number."""
    kinds = _origins(field)
    # 20 is a number where `auto` would do, too
    return any(kind in (str, Path) or (get_origin(kind) is Literal and int not in kinds) for kind in kinds)


def takes_map(field: FieldInfo) -> bool:
    """Whether a map is a value."""
    return dict in _origins(field)


def _place(entry: FoundSetting) -> str:
    """File and line with the key; of the environment and of flags the place is the key."""
    return f"{entry.where}: {entry.key}" if not entry.is_text and "--set" not in entry.where else entry.where


def _found(keys: tuple[str, ...], value: Any) -> str:
    if is_secret(".".join(keys)) or "client" in keys:
        return ""
    return f", found {shown(value)}"


def _hint(field: FieldInfo, value: Any) -> str:
    """How to mend it: quotes for a text, true for yes, the nearest name, or an example."""
    kinds = _origins(field)
    if isinstance(value, str) and value.lower() in ("yes", "on", "no", "off") and bool in kinds:
        return f": write {'true' if value.lower() in ('yes', 'on') else 'false'}"
    choices = _choices(field)
    if str in kinds and not choices and isinstance(value, bool | int | float):
        return ": put it in quotes"
    if choices and isinstance(value, str) and (close := difflib.get_close_matches(value, choices, n=1)):
        return f": did you mean {close[0]}?"
    if choices or bool in kinds:
        return f"; {OWN}" if _part_name(field) else ""
    example = field.examples[0] if field.examples else field.default
    return f"; for example {example}" if isinstance(example, str | int | float) and example != "" else ""


def _origins(field: FieldInfo) -> list[Any]:
    """The plain types of a field: of `Annotated[int, ...] | None` int and NoneType."""
    return list(_plain(field.annotation))


def _plain(annotation: Any) -> Iterator[Any]:
    if get_origin(annotation) is Union or type(annotation).__name__ == "UnionType":
        for part in get_args(annotation):
            yield from _plain(part)
    elif hasattr(annotation, "__metadata__"):
        yield from _plain(get_args(annotation)[0])
    elif get_origin(annotation) is Literal:
        yield annotation
    else:
        yield get_origin(annotation) or annotation


def _rules(field: FieldInfo) -> list[Any]:
    """Limits of a field, also those inside `Annotated[...] | None`."""
    rules = list(field.metadata)
    for part in get_args(field.annotation):
        for inner in getattr(part, "__metadata__", ()):
            rules += inner.metadata if isinstance(inner, FieldInfo) else [inner]
    return rules


def _part_name(field: FieldInfo) -> PartName | None:
    return next((rule for rule in field.metadata if isinstance(rule, PartName)), None)


def _choices(field: FieldInfo) -> list[str]:
    if part_name := _part_name(field):
        return part_name.names()
    return [str(name) for kind in _origins(field) if get_origin(kind) is Literal for name in get_args(kind)]


def _word(kind: Any) -> str:
    if get_origin(kind) is Literal:
        names = [str(name) for name in get_args(kind)]
        return " or ".join(filter(None, (", ".join(names[:-1]), names[-1])))
    return _TYPES.get(kind, "a path")


def _limit(rule: Any) -> str:
    match rule:
        case Ge(ge=limit):
            return f"of at least {limit}"
        case Gt(gt=limit):
            return f"above {limit}"
        case Le(le=limit):
            return f"and at most {limit}"
        case Lt(lt=limit):
            return f"and below {limit}"
    return ""
