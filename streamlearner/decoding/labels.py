"""Labels: which values may name a class, and the open set of classes seen so far.

One rule everywhere. Headers are text and JSON is typed, so a text that is a canonical decimal integer
("3", "-1"; not "03", "+3", "1.0") *is* that integer: 3 and "3" are the same class. Nothing is stripped,
folded or normalised: "cat", " cat" and "Cat" are three classes. Likewise a text that is a JSON object *is*
that mapping: `{"category": "mug", "viewpoint": 90}` names one class of each of two factors.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from reprlib import repr as short_repr
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from streamlearner.errors import CheckpointError, InvalidInput
from streamlearner.stream import Factors, Label

if TYPE_CHECKING:
    from torch import Tensor

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


def parse_label(value: object) -> Label | Factors:
    """The class that `value` names: a str of 1 to 256 characters, none a control, or an int, |n| < 2**63; or
    a mapping of 1 to 16 factors, each to such a class.

    Raises `InvalidInput("label")` for anything else: bool, float, None, list.
    """
    if isinstance(value, Mapping):
        return _parse_factors(list(value.items()))
    if type(value) is str and value.startswith("{") and (pairs := _pairs(value)) is not None:
        return _parse_factors(pairs)
    return _parse_class(value)


def label_text(label: Label | Factors) -> str:
    """The text that `parse_label` reads back: for a header, or a person."""
    return json.dumps(dict(label), ensure_ascii=False) if isinstance(label, Mapping) else str(label)


def _parse_class(value: object) -> Label:
    if type(value) is str:
        if _CANONICAL_INTEGER.fullmatch(value) is None:
            return parse_text(value, "label")
        return _in_range(int(value) if len(value) <= _INTEGER_MAX_CHARACTERS else _INTEGER_LIMIT)
    if type(value) is int:
        return _in_range(value)
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
    """A name (label, task or id): 1 to 256 characters, none a control; an int becomes its text.

    Raises `InvalidInput(reason)`; `reason` is also what the text calls the value.
    """
    if type(value) is int:
        return str(_in_range(value, reason))
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


class LabelSpace:
    """An open set of labels with dense class indices in order of arrival; append only, so an index stays.

    The same class serves tasks. One thread adds (`index`, `indices`, `restore`); any thread may look.
    `factors` has the indices of the classes of each factor, and under None those of plain labels.
    """

    def __init__(self, labels: Iterable[ClassName] = ()) -> None:
        self._labels: list[ClassName] = []
        self._index_of: dict[Label | FactorValue, int] = {}
        self.factors: dict[str | None, list[int]] = {}
        for label in labels:
            self.index(label)

    def __len__(self) -> int:
        return len(self._labels)

    def __contains__(self, label: ClassName) -> bool:
        return label in self._index_of

    def index(self, label: ClassName) -> int:
        """The index of `label`; a new label gets the next one."""
        found = self._index_of.get(label)
        if found is None:
            found = len(self._labels)
            self._labels.append(label)
            self._index_of[label] = found
            self.factors.setdefault(_factor_of(label), []).append(found)
        return found

    def find(self, label: ClassName) -> int | None:
        """The index of `label`, or None where it never arrived; adds nothing."""
        return self._index_of.get(label)

    def indices(self, labels: Sequence[ClassName]) -> Tensor:
        """[n] int64, the index of each label; new ones are added in their order."""
        import torch  # not above: the gateway reads inputs without it

        return torch.tensor([self.index(label) for label in labels], dtype=torch.int64)

    def label(self, index: int) -> ClassName:
        """The label at `index`. Raises `IndexError` outside 0..len-1 (a negative index is an error too)."""
        if index < 0:
            raise IndexError(f"class index {index}; expected 0..{len(self._labels) - 1}")
        return self._labels[index]

    def copy(self) -> LabelSpace:
        """One that knows the same, and learns nothing of what is added here."""
        return LabelSpace(self._labels)

    def state(self) -> list[Any]:
        """The labels in order of arrival: JSON-serialisable, and all there is to restore."""
        return [list(label) if isinstance(label, FactorValue) else label for label in self._labels]

    def restore(self, labels: Sequence[Any]) -> None:
        """Takes `state()` back. Raises `CheckpointError` for a label twice or a value that is none."""
        restored = LabelSpace(_restored(label, place) for place, label in enumerate(labels))
        if len(restored) != len(labels):
            raise CheckpointError(
                f"label space: {len(labels)} labels, only {len(restored)} distinct; expected each once"
            )
        self._labels, self._index_of, self.factors = restored._labels, restored._index_of, restored.factors


def _factor_of(label: ClassName) -> str | None:
    return label.factor if isinstance(label, FactorValue) else None


def _restored(label: object, place: int) -> ClassName:
    if isinstance(label, str | int) and not isinstance(label, bool):
        return label
    if isinstance(label, list) and [type(part) in (str, int) for part in label] == [True, True]:
        return FactorValue(str(label[0]), label[1])
    raise CheckpointError(
        f"label space: entry {place} is {shown(label)}; expected a string, an integer, or a factor with its "
        "value"
    )
