"""What `streamlearner` exports: signatures and docstrings, from the objects themselves."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

from typing_extensions import is_typeddict

import streamlearner
import streamlearner.client

DESCRIBED_ELSEWHERE = {
    "Config": "Every setting is in [Configuration](configuration.md).",
    "AsyncClient": "Its calls are those of [`Client`](#client), each awaited.",
}
"""Classes whose members are not listed here."""
DAEMON = ("run", "stop")
"""Of the daemon, what a program may rely on (see the package's docstring)."""


def page() -> str:
    """The names that the package exports."""
    return page_of(streamlearner)


def client_page() -> str:
    """Those of the client."""
    return page_of(streamlearner.client)


def page_of(package: Any) -> str:
    """What a package says of itself, then a heading for each name in the order of `__all__`."""
    parts = [prose(str(package.__doc__).split("\n\n", 1)[1])]
    for name in package.__all__:
        if not name.startswith("_"):
            parts += described(name, getattr(package, name))
    return "\n\n".join(parts)


def described(name: str, found: Any) -> Iterator[str]:
    yield f"## `{name}`"
    if not inspect.isclass(found) and not inspect.isfunction(found):
        yield f"Stands for `{found}`.".replace("typing.", "")
        return
    if not (inspect.isclass(found) and issubclass(found, Exception)) and name not in DESCRIBED_ELSEWHERE:
        yield f"```text\n{signature(name, found)}\n```"
    yield prose(inspect.getdoc(found) or "")
    if name in DESCRIBED_ELSEWHERE:
        yield DESCRIBED_ELSEWHERE[name]
    elif inspect.isclass(found) and not issubclass(found, Exception):
        for member, value in members(name, found):
            yield f"### `{name}.{member}`"
            if callable(value):
                yield f"```text\n{signature(member, value)}\n```"
            yield prose(inspect.getdoc(value) or "")


def members(name: str, found: type) -> Iterator[tuple[str, Any]]:
    """Public methods and properties that the class adds to its base, in their order."""
    for member, value in vars(found).items():
        plain = value.__func__ if isinstance(value, classmethod) else value
        shown = member in DAEMON if name == "Daemon" else not hasattr(found.__base__, member)
        if shown and not member.startswith("_") and isinstance(plain, property | type(page)):
            yield member, plain


def signature(name: str, found: Any) -> str:
    """As it is called: a line where it fits, else one for each argument. Of a typed dictionary, its keys."""
    if is_typeddict(found):
        keys = [f'    "{key}": {kind.__forward_arg__},' for key, kind in found.__annotations__.items()]
        return "\n".join(["{", *keys, "}"])
    whole = inspect.signature(found)
    taken = [each for each in whole.parameters.values() if each.name not in ("self", "cls")]
    returns = "" if inspect.isclass(found) else f" -> {whole.return_annotation}"
    words: list[str] = []
    for each in taken:
        if each.kind is each.KEYWORD_ONLY and "*" not in words:
            words.append("*")
        words.append(str(each).replace("'", ""))
    line = f"{name}({', '.join(words)}){returns}".replace("'", "")
    if len(line) <= 100:
        return line
    return "\n".join([f"{name}(", *(f"    {word}," for word in words), f"){returns}".replace("'", "")])


def prose(text: str) -> str:
    """A docstring as Markdown: its doctests become blocks, in the style that ruff wants of those."""
    parts = inspect.cleandoc(text).split("\n\n")
    return "\n\n".join(
        f"```pycon\n{re.sub(' {2,}# ', '  # ', part)}\n```" if part.startswith(">>> ") else part
        for part in parts
    )
