"""`streamlearner status`: how a running daemon is doing."""

from __future__ import annotations

import json

import typer
from rich.console import Console

from streamlearner.commands.options import (
    ADDRESS,
    AddressOption,
    JsonOption,
    TokenFileOption,
    TokenOption,
    connect,
)
from streamlearner.commands.status_view import status_panel


def status(
    address: AddressOption = ADDRESS,
    token: TokenOption = None,
    token_file: TokenFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Shows how a running daemon is doing."""
    client = connect(address, token, token_file)
    answers = {"status": client.status(), "retention": client.retention(), "memory": client.memory()}
    if as_json:
        typer.echo(json.dumps(answers, indent=2))
    else:
        Console().print(status_panel(answers, address=client.address))
