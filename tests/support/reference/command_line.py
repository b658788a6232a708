"""Every command with its arguments, options and defaults, from the commands themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer

from streamlearner.commands import main as command_line
from tests.support.reference.markdown import code, table


def page() -> str:
    """A heading for each command, those of a group after it."""
    root = typer.main.get_command(command_line.app)
    return "\n".join(part for path, command in leaves(root, ()) for part in described(path, command))


def leaves(command: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command that does something, with the words that lead to it."""
    if not hasattr(command, "commands"):
        yield path, command
        return
    for name, inner in command.commands.items():
        yield from leaves(inner, (*path, name))


def described(path: tuple[str, ...], command: Any) -> Iterator[str]:
    context = command.make_context(" ".join(path), [], resilient_parsing=True)
    yield f"## `streamlearner {' '.join(path)}`\n"
    yield "\n\n".join(" ".join(part.split()) for part in command.help.split("\n\n")) + "\n"
    records = [parameter.get_help_record(context) for parameter in command.get_params(context)]
    shown = [record for record in records if record is not None and record[0] != "--help"]
    if shown:
        yield table(("argument or option", "what it does"), [(code(name), text) for name, text in shown])
        yield ""
