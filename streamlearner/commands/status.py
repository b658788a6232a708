"""`streamlearner status`: how a running daemon is doing."""

from __future__ import annotations

import json

import typer
from rich.console import Console

from streamlearner.commands.client import Client
from streamlearner.commands.options import ADDRESS, AddressOption, JsonOption, TokenOption
from streamlearner.commands.status_view import status_panel


def status(address: AddressOption = ADDRESS, token: TokenOption = None, as_json: JsonOption = False) -> None:
    """Shows how a running daemon is doing."""
    client = Client(address, token=token)
    answers = {name: client.get(f"/v1/{name}") for name in ("status", "retention", "memory")}
    if as_json:
        typer.echo(json.dumps(answers, indent=2))
    else:
        Console().print(status_panel(answers, address=client.address))
