"""Labels: which values may name a class.

One rule everywhere. Headers are text and JSON is typed, so a text that is a canonical decimal integer
("3", "-1"; not "03", "+3", "1.0") *is* that integer: 3 and "3" are the same class. So is a number without a
fraction, however it is written: 3.0 is 3, as JSON has it. Nothing else is stripped, folded or normalised:
"cat", " cat" and "Cat" are three classes. Likewise a text that is a JSON object *is*
that mapping: `{"category": "mug", "viewpoint": 90}` names one class of each of two factors.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from reprlib import repr as short_repr
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from streamlearner.errors import InvalidInput
from streamlearner.stream import Factors, Label

if TYPE_CHECKING:
    pass

MAX_TEXT_CHARACTERS = 256
"""Long enough for a path or a UUID, short enough for a metric label and a log line."""

MAX_FACTORS = 16
"""Of one label: each is an example of its own to learn from."""

_CANONICAL_INTEGER = re.compile(r"0|-?[1-9][0-9]*")
_INTEGER_LIMIT = 2**63
_INTEGER_MAX_CHARACTERS = 20
"""`-9223372036854775807`; longer is out of range, and int() of megabytes of digits is not cheap."""
_FEW = 8
_FORBIDDEN_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Control characters, lone surrogates (no valid UTF-8), line and paragraph separators."""


class FactorValue(NamedTuple):
    """The class that one factor of a label names; written `viewpoint=90`."""

    factor: str
    value: Label

    def __str__(self) -> str:
        return f"{self.factor}={self.value}"


ClassName: TypeAlias = Label | FactorValue
"""What names one class."""


def in_json(name: ClassName) -> Label | dict[str, Label]:
    """As answers have it: the class of a factor is an object."""
    return {name.factor: name.value} if isinstance(name, FactorValue) else name


def class_text(name: ClassName) -> str:
    """Its JSON: another text for each class, whatever it is."""
    return json.dumps(in_json(name), ensure_ascii=False)


def parse_label(value: object) -> Label | Factors:
    """The class that `value` names: a str of 1 to 256 characters, none a control, or an int, |n| < 2**63
    (3.0 is 3); or a mapping of 1 to 16 factors, each to such a class.

    Raises `InvalidInput("label")` for anything else: bool, 2.5, None, list.
    """
    if isinstance(value, Mapping):
        return _parse_factors(list(value.items()))
    if type(value) is str and value.startswith("{") and (pairs := _pairs(value)) is not None:
        return _parse_factors(pairs)
    return _parse_class(value)


def label_text(label: Label | Factors) -> str:
    """The text that `parse_label` reads back: for a header, or a person."""
    return json.dumps(dict(label), ensure_ascii=False) if isinstance(label, Mapping) else str(label)


def whole(value: object) -> object:
    """The integer that a number without a fraction is; any other value as it is."""
    return int(value) if type(value) is float and value.is_integer() else value


def _parse_class(value: object) -> Label:
    if type(value) is str:
        if _CANONICAL_INTEGER.fullmatch(value) is None:
            return parse_text(value, "label")
        return _in_range(int(value) if len(value) <= _INTEGER_MAX_CHARACTERS else _INTEGER_LIMIT)
    if type(number := whole(value)) is int:
        return _in_range(number)
    raise InvalidInput(
        "label", f"label is {shown(value)}; expected a string, an integer, or a mapping of factors to such"
    )


def _parse_factors(pairs: Sequence[tuple[object, object]]) -> Factors:
    if not 1 <= len(pairs) <= MAX_FACTORS:
        raise InvalidInput("label", f"label has {len(pairs)} factors; expected 1 to {MAX_FACTORS}")
    factors: dict[str, Label] = {}
    for key, value in pairs:
        try:
            name = parse_text(key, "label")
            found = _parse_class(value)
        except InvalidInput as error:
            raise InvalidInput("label", f"factor {shown(key)}: {error}") from None
        if name in factors:
            raise InvalidInput("label", f"label names the factor {shown(name)} twice; expected it once")
        factors[name] = found
    return factors


def _pairs(text: str) -> list[tuple[object, object]] | None:
    """Of a JSON object, in its order; None for any other text."""
    try:
        found = json.loads(text, object_pairs_hook=list)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, list) else None


def parse_text(value: object, reason: str) -> str:
    """A name (label, task or id): 1 to 256 characters, none a control; an int becomes its text (3.0 is 3).

    Raises `InvalidInput(reason)`; `reason` is also what the text calls the value.
    """
    if type(number := whole(value)) is int:
        return str(_in_range(number, reason))
    if type(value) is not str:
        raise InvalidInput(reason, f"{reason} is {shown(value)}; expected a string or an integer")
    if not 1 <= len(value) <= MAX_TEXT_CHARACTERS:
        raise InvalidInput(
            reason, f"{reason} has {len(value)} characters; expected 1 to {MAX_TEXT_CHARACTERS}"
        )
    if not value.isprintable():  # also False for harmless spaces such as U+3000, hence the second look
        for place, character in enumerate(value):
            if unicodedata.category(character) in _FORBIDDEN_CATEGORIES:
                text = f"{reason} has U+{ord(character):04X} at character {place}; expected no controls"
                raise InvalidInput(reason, text)
    return value


def _in_range(number: int, reason: str = "label") -> int:
    if not -_INTEGER_LIMIT < number < _INTEGER_LIMIT:
        raise InvalidInput(
            reason, f"{reason} is an integer beyond 63 bits; expected |n| < 2**63 (or add a letter to it)"
        )
    return number


def shown(value: object) -> str:
    """A bounded picture of any value, for a message: a scalar, or a few numbers such as a shape, by type and
    value, any other container by its size."""
    if value is None:
        return "null"
    kind = type(value).__name__
    if isinstance(value, (list, tuple)) and 0 < len(value) <= _FEW and all(map(_is_short_number, value)):
        return f"a {kind} of {len(value)}, {list(value)}"
    if isinstance(value, (Mapping, list, tuple)):
        return f"a {kind} of {len(value)}"
    if type(value) is int and abs(value) >= _INTEGER_LIMIT:
        return "an int beyond 63 bits"
    return f"{kind} {short_repr(value)}"


def _is_short_number(value: object) -> bool:
    return type(value) in (bool, float) or (type(value) is int and abs(value) < _INTEGER_LIMIT)
